"""`config`: the policy in force, read, checked, replaced; and its versions."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request, Response

from mailweir_core.clock import rfc3339
from mailweir_gateway.api.changing import ATTEMPTS, ETAG, IfMatch, check_precondition, in_force
from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, invalid, responses, unavailable
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.admin import (
    Applied,
    Checked,
    VersionDocument,
    VersionItem,
    VersionPage,
    VersionQuery,
)
from mailweir_gateway.models.messages import MAX_TEXT
from mailweir_gateway.policy.preconditions import etag, matches
from mailweir_gateway.tools import Tools
from mailweir_policy import InvalidPolicyError, Policy, dumps, policy_from
from mailweir_runtime.bus.ports import RevisionConflict
from mailweir_runtime.config import (
    InvalidDocument,
    PolicyVersion,
    history,
    load_version,
    propose,
)

Document = Annotated[dict[str, Any], Body()]
# The body is checked by mailweir_policy, by the same rules as everywhere; this only tells OpenAPI its shape.
_POLICY_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Policy"}}}
    }
}
Reason = Annotated[str, Query(max_length=MAX_TEXT, description="Why, for the history.")]
Number = Annotated[int, Path(ge=1, le=999_999_999)]


def config(tools: Tools) -> APIRouter:
    """Return the routes of `config`."""
    router = APIRouter(prefix="/config", tags=["config"], route_class=StrictRoute)

    @router.get("", response_model=Policy, responses={200: ETAG, **responses(404, 503)})
    async def get_config() -> Response:
        """Return the policy in force; its ETag is its version."""
        version = await in_force(tools)
        if version is None:
            raise Problem(404, "there is no policy yet")
        # The bytes are the same for equal policies, as a strong ETag promises.
        headers = {"ETag": etag(version.version)}
        return Response(dumps(version.policy), media_type="application/json", headers=headers)

    @router.put(
        "", responses={200: ETAG, **responses(412, 415, 422, 503)}, openapi_extra=_POLICY_BODY
    )
    async def put_config(
        request: Request,
        response: Response,
        document: Document,
        if_match: IfMatch = None,
        reason: Reason = "",
    ) -> Applied:
        """Replace the policy. It is refused as a whole when anything in it is wrong.

        With `If-Match` it is also refused when another version is in force by now.
        """
        check_precondition(if_match)
        policy = _checked(tools, document)
        version = await _replace(tools, policy, if_match, actor_of(request.scope), reason)
        response.headers["ETag"] = etag(version)
        return Applied(version=version)

    @router.post("/check", responses=responses(415, 422), openapi_extra=_POLICY_BODY)
    async def check_config(document: Document) -> Checked:
        """Say whether a policy could be put in force, and change nothing."""
        _checked(tools, document)
        return Checked(valid=True)

    @router.get("/versions", responses=responses(422, 503))
    async def list_versions(query: Annotated[VersionQuery, Query()]) -> VersionPage:
        """Return a page of versions, newest first."""
        return await _versions(tools, query)

    @router.get("/versions/{number}", responses={200: ETAG, **responses(404, 422, 503)})
    async def get_version(number: Number, response: Response) -> VersionDocument:
        """Return one version with its policy."""
        found = await _load(tools, number)
        if found is None:
            raise Problem(404, "there is no such version")
        response.headers["ETag"] = etag(found.version)
        active = await in_force(tools)
        item = _item(found, active)
        return VersionDocument(**item.model_dump(), policy=json.loads(dumps(found.policy)))

    return router


def _checked(tools: Tools, document: Mapping[str, Any]) -> Policy:
    try:
        return policy_from(document)
    except InvalidPolicyError as error:
        tools.metrics.policy_changes.labels("invalid").inc()
        raise invalid(error.problems) from error


async def _replace(
    tools: Tools, policy: Policy, if_match: str | None, author: str, reason: str
) -> str:
    for _ in range(ATTEMPTS):
        active = await in_force(tools)
        seen = active.version if active else None
        if if_match is not None and not matches(if_match, seen):
            break
        try:
            version = await propose(
                tools.bus, policy, author=author, reason=reason, clock=tools.clock, expected=seen
            )
        except RevisionConflict:
            continue
        tools.metrics.policy_changes.labels("applied").inc()
        return version
    tools.metrics.policy_changes.labels("conflict").inc()
    active = await in_force(tools)
    raise Problem(412, f"version {active.version if active else 'none'} is in force")


async def _load(tools: Tools, number: int) -> PolicyVersion | None:
    try:
        return await load_version(tools.bus, number)
    except InvalidDocument as error:
        raise unavailable(f"version {number} cannot be read: {error}") from error


async def _versions(tools: Tools, query: VersionQuery) -> VersionPage:
    numbers = [n for n in await history(tools.bus) if not query.cursor or n < int(query.cursor)]
    page = numbers[: query.limit]
    active = await in_force(tools)
    loaded = [await _load(tools, number) for number in page]
    return VersionPage(
        items=tuple(_item(version, active) for version in loaded if version is not None),
        next=str(page[-1]) if len(numbers) > len(page) else "",
    )


def _item(version: PolicyVersion, active: PolicyVersion | None) -> VersionItem:
    return VersionItem(
        version=version.version,
        number=version.number,
        created_at=rfc3339(version.created_at),
        author=version.author,
        reason=version.reason,
        in_force=active is not None and active.number == version.number,
    )
