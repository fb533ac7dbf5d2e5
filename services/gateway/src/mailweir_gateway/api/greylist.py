"""`greylist`: who is waited for, who is let through, and what it comes to."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request

from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.greylist import Forecast, GreyEntry, GreyPage, GreyQuery
from mailweir_gateway.tools import Tools

MAX_ID: Final = 128
Id = Annotated[str, Path(alias="id", pattern=r"^[A-Za-z0-9._=-]+$", max_length=MAX_ID)]


def greylist(tools: Tools) -> APIRouter:
    """Return the routes of `greylist`."""
    router = APIRouter(prefix="/greylist", tags=["greylist"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_greylist(query: Annotated[GreyQuery, Query()]) -> GreyPage:
        """Return a page of who is waited for and who is let through, the newest first."""
        state = query.state.value if query.state else ""
        return await tools.greylist.entries(state, query.text, query.limit, query.cursor)

    @router.get("/forecast", responses=responses(503))
    async def get_greylist_forecast() -> Forecast:
        """Return what greylisting did, or in log-only mode would have done."""
        return await tools.greylist.forecast()

    @router.post("/{id}/authorise", responses=responses(404, 422, 503))
    async def authorise_greylisted(request: Request, entry_id: Id) -> GreyEntry:
        """Let an entry through: its next try is taken."""
        found = await tools.greylist.authorise(entry_id, actor_of(request.scope))
        if found is None:
            raise Problem(404, "there is no such entry, or not any more")
        return found

    @router.delete("/{id}", status_code=204, responses=responses(404, 422, 503))
    async def delete_greylisted(request: Request, entry_id: Id) -> None:
        """Forget an entry: who comes so again is new."""
        if not await tools.greylist.delete(entry_id, actor_of(request.scope)):
            raise Problem(404, "there is no such entry, or not any more")

    return router
