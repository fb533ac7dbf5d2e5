"""`dnslists` and `reputation`: how the DNS lists fare, and what is remembered of somebody."""

from typing import Annotated

from fastapi import APIRouter, Path

from mailweir_gateway.api.problems import refused_at, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.paging import MAX_TEXT
from mailweir_gateway.models.reputation import History, ZoneShape
from mailweir_gateway.tools import Tools

Subject = Annotated[str, Path(min_length=1, max_length=MAX_TEXT)]


def dnslists(tools: Tools) -> APIRouter:
    """Return the route of `dnslists`."""
    router = APIRouter(prefix="/dnslists", tags=["reputation"], route_class=StrictRoute)

    @router.get("", responses=responses(503))
    async def list_dnslists() -> list[ZoneShape]:
        """Return how each DNS list fares: whether it is asked, why not, and what to do about it."""
        return await tools.reputation.zones()

    return router


def reputation(tools: Tools) -> APIRouter:
    """Return the route of `reputation`."""
    router = APIRouter(prefix="/reputation", tags=["reputation"], route_class=StrictRoute)

    @router.get("/{subject:path}", responses=responses(422, 503))
    async def get_reputation(subject: Subject) -> History:
        """Return what is remembered of an address, network, domain or mail address."""
        with refused_at("path.subject"):
            found = await tools.reputation.history(subject)
        return History(subject=subject, items=tuple(found))

    return router
