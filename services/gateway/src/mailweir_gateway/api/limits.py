"""`limits`: how far they are used, and what users and domains may send."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from mailweir_gateway.api.changing import ETAG, IfMatch, change, surely_in_force
from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, refused_at, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.limits import (
    Buckets,
    DayLimit,
    DomainDayLimit,
    DomainLimits,
    GrantShape,
    UsagePage,
    UsageQuery,
    UserLimits,
)
from mailweir_gateway.models.paging import MAX_TEXT
from mailweir_gateway.policy.limits import with_domain, with_user, without_domain, without_user
from mailweir_gateway.policy.preconditions import etag
from mailweir_gateway.tools import Tools
from mailweir_policy import Policy
from mailweir_policy.allowances import Granted, Grants
from mailweir_policy.fields import Domain, MailAddress
from mailweir_policy.ratelimit import DomainLimit, OutboundLimit, UserLimit

Login = Annotated[MailAddress, Path(max_length=MAX_TEXT)]
DomainName = Annotated[Domain, Path(max_length=MAX_TEXT)]
Subject = Annotated[str, Query(min_length=1, max_length=MAX_TEXT)]


def limits(tools: Tools) -> APIRouter:
    """Return the routes of `limits`."""
    router = APIRouter(prefix="/limits", tags=["limits"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_usage(query: Annotated[UsageQuery, Query()]) -> UsagePage:
        """Return a page of how far users and domains have used what they may send today."""
        return await tools.ratelimit.usage(query.subject, query.limit, query.cursor)

    @router.get("/buckets", responses=responses(422, 503))
    async def list_buckets(subject: Subject) -> Buckets:
        """Return what the counters of inbound limits hold for a client, address or domain."""
        with refused_at("query.subject"):
            found = await tools.ratelimit.buckets(subject)
        return Buckets(subject=subject, items=tuple(found))

    _users(router, tools)
    _domains(router, tools)
    return router


def _users(router: APIRouter, tools: Tools) -> None:
    """Add the routes of what a user may send."""

    @router.get("/users/{login}", responses={200: ETAG, **responses(404, 422, 503)})
    async def get_user_limit(response: Response, login: Login) -> UserLimits:
        """Return what a user may send in a day, and where in the policy it comes from."""
        found = await surely_in_force(tools)
        return _of_user(response, found.policy, found.version, login)

    @router.put("/users/{login}", responses={200: ETAG, **responses(404, 409, 412, 415, 422, 503)})
    async def put_user_limit(
        request: Request, response: Response, login: Login, body: DayLimit, if_match: IfMatch = None
    ) -> UserLimits:
        """Give a user a limit of its own: a new version of the policy. What is held for it then goes."""
        wanted = UserLimit(login=login, limit=_limit(body))
        policy, version = await change(
            tools, lambda policy: with_user(policy, wanted), if_match,
            actor_of(request.scope), f"outbound limit of {login}",
        )  # fmt: skip
        return _of_user(response, policy, version, login)

    @router.delete("/users/{login}", responses={200: ETAG, **responses(404, 409, 412, 422, 503)})
    async def delete_user_limit(
        request: Request, response: Response, login: Login, if_match: IfMatch = None
    ) -> UserLimits:
        """Take a user's own limit away; returns what holds for it then."""
        found = await surely_in_force(tools)
        if login not in {one.login for one in found.policy.ratelimit.outbound.users}:
            raise Problem(404, "the user has no limit of its own")
        policy, version = await change(
            tools, lambda policy: without_user(policy, login), if_match,
            actor_of(request.scope), f"no outbound limit of its own for {login}",
        )  # fmt: skip
        return _of_user(response, policy, version, login)


def _domains(router: APIRouter, tools: Tools) -> None:
    """Add the routes of what a domain's users may send."""

    @router.get("/domains/{domain}", responses={200: ETAG, **responses(404, 422, 503)})
    async def get_domain_limit(response: Response, domain: DomainName) -> DomainLimits:
        """Return what a domain's users may send in a day, and where in the policy it comes from."""
        found = await surely_in_force(tools)
        return _of_domain(response, found.policy, found.version, domain)

    @router.put(
        "/domains/{domain}", responses={200: ETAG, **responses(404, 409, 412, 415, 422, 503)}
    )
    async def put_domain_limit(
        request: Request,
        response: Response,
        domain: DomainName,
        body: DomainDayLimit,
        if_match: IfMatch = None,
    ) -> DomainLimits:
        """Limit what all users of a domain send together, and each of them: a new version of the policy."""
        users = None if body.users is None else _limit(body.users)
        wanted = DomainLimit(domain=domain, total=_limit(body.total), users=users)
        policy, version = await change(
            tools, lambda policy: with_domain(policy, wanted), if_match,
            actor_of(request.scope), f"outbound limits of {domain}",
        )  # fmt: skip
        return _of_domain(response, policy, version, domain)

    @router.delete("/domains/{domain}", responses={200: ETAG, **responses(404, 409, 412, 422, 503)})
    async def delete_domain_limit(
        request: Request, response: Response, domain: DomainName, if_match: IfMatch = None
    ) -> DomainLimits:
        """Take a domain's limits away; returns what holds for it then."""
        found = await surely_in_force(tools)
        if domain not in {one.domain for one in found.policy.ratelimit.outbound.domains}:
            raise Problem(404, "the domain has no limits of its own")
        policy, version = await change(
            tools, lambda policy: without_domain(policy, domain), if_match,
            actor_of(request.scope), f"no outbound limits of {domain}",
        )  # fmt: skip
        return _of_domain(response, policy, version, domain)


def _limit(asked: DayLimit) -> OutboundLimit:
    return OutboundLimit(messages=asked.messages, recipients=asked.recipients, bytes=asked.bytes)


def _of_user(response: Response, policy: Policy, version: str, login: str) -> UserLimits:
    response.headers["ETag"] = etag(version)
    grants = Grants(policy.ratelimit.outbound)
    domain = grants.domain(login.rpartition("@")[2])
    return UserLimits(
        login=login, user=_grant(grants.user(login)), domain=_grant(domain), version=version
    )


def _of_domain(response: Response, policy: Policy, version: str, domain: str) -> DomainLimits:
    response.headers["ETag"] = etag(version)
    grants = Grants(policy.ratelimit.outbound)
    return DomainLimits(
        domain=domain,
        total=_grant(grants.domain(domain)),
        users=_grant(grants.user(f"@{domain}")),
        version=version,
    )


def _grant(found: Granted) -> GrantShape:
    limit = found.limit
    return GrantShape(
        messages=limit.messages,
        recipients=limit.recipients,
        bytes=limit.bytes,
        source=found.source,
    )
