"""`bans`: who is turned away; and the same as a feed for firewalls."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse

from mailweir_core.bans import MAX_SUBJECT
from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, refused_at, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.bans import BanPage, BanShape, NewBan
from mailweir_gateway.models.paging import PageQuery
from mailweir_gateway.tools import Tools

Subject = Annotated[str, Path(min_length=1, max_length=MAX_SUBJECT)]


def bans(tools: Tools) -> APIRouter:
    """Return the routes of `bans`."""
    router = APIRouter(prefix="/bans", tags=["bans"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_bans(query: Annotated[PageQuery, Query()]) -> BanPage:
        """Return a page of bans, by subject, with reason and evidence."""
        return await tools.ratelimit.bans(query.text, query.limit, query.cursor)

    @router.post("", status_code=201, responses=responses(415, 422, 503))
    async def add_ban(request: Request, body: NewBan) -> BanShape:
        """Ban a network or an account by hand; it holds on every ingress within a second."""
        with refused_at("subject"):
            return await tools.ratelimit.ban(
                body.subject,
                body.seconds,
                body.reason,
                actor_of(request.scope),
                close_all=body.close_all,
            )

    @router.get("/export", response_class=PlainTextResponse, responses=responses(503))
    async def export_bans() -> PlainTextResponse:
        """Return the banned networks for a firewall: one CIDR a line, joined, sorted, none twice.

        Proxies, trusted networks and those that the system's lists allow are left out.
        """
        networks = await tools.ratelimit.export()
        return PlainTextResponse("".join(f"{network}\n" for network in networks))

    @router.delete("/{subject:path}", status_code=204, responses=responses(404, 422, 503))
    async def remove_ban(request: Request, subject: Subject) -> None:
        """Lift a ban; every ingress takes it on within a second."""
        with refused_at("path.subject"):
            lifted = await tools.ratelimit.unban(subject, actor_of(request.scope))
        if not lifted:
            raise Problem(404, "there is no such ban")

    return router
