"""`messages` and `quarantine`: the record, and what may be done with held mail."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from mailweir_core.decision import Action, State
from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, responses
from mailweir_gateway.api.requests import StrictRoute
from mailweir_gateway.models.base import Ref
from mailweir_gateway.models.messages import (
    Actions,
    ActionShape,
    HeldQuery,
    Ids,
    MessageDetail,
    MessagePage,
    MessageQuery,
)
from mailweir_gateway.ports import Search
from mailweir_gateway.tools import Tools

Id = Annotated[Ref, Path(alias="id")]
_MAIL: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}}}
}


def messages(tools: Tools) -> APIRouter:
    """Return the routes of `messages`."""
    router = APIRouter(prefix="/messages", tags=["messages"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_messages(query: Annotated[MessageQuery, Query()]) -> MessagePage:
        """Return a page of records, newest first."""
        return await tools.quarantine.search(_search(query, query.action, query.state))

    @router.get("/{id}", responses=responses(404, 422, 503))
    async def get_message(ref: Id) -> MessageDetail:
        """Return one record with its explanation."""
        return await _existing(tools, ref)

    return router


def quarantine(tools: Tools) -> APIRouter:
    """Return the routes of `quarantine`."""
    router = APIRouter(prefix="/quarantine", tags=["quarantine"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_held(query: Annotated[HeldQuery, Query()]) -> MessagePage:
        """Return a page of held messages, newest first."""
        return await tools.quarantine.search(_search(query, None, State.HELD))

    @router.post("/release", responses=responses(415, 422, 503))
    async def release_messages(request: Request, body: Ids) -> Actions:
        """Let messages out; each is delivered exactly once."""
        results = await tools.quarantine.release(body.ids, actor_of(request.scope))
        return Actions(results=tuple(results))

    @router.post("/delete", responses=responses(415, 422, 503))
    async def delete_messages(request: Request, body: Ids) -> Actions:
        """Delete held messages."""
        results = await tools.quarantine.delete(body.ids, actor_of(request.scope))
        return Actions(results=tuple(results))

    @router.get("/{id}", responses=responses(404, 422, 503))
    async def get_held(ref: Id) -> MessageDetail:
        """Return one held message with its explanation."""
        found = await _existing(tools, ref)
        if found.state != State.HELD:
            raise Problem(404, f"the message is not held, it is {found.state}")
        return found

    @router.get(
        "/{id}/source",
        response_class=StreamingResponse,
        responses={**_MAIL, **responses(404, 422, 503)},
    )
    async def get_held_source(ref: Id) -> StreamingResponse:
        """Return the source of a held message, as a file and never as a page."""
        pieces = tools.quarantine.source(ref)
        first = await anext(pieces, None)
        if first is None:
            raise Problem(404, "there is no source of this message here")
        headers = {
            "Content-Disposition": f'attachment; filename="{ref}.eml"',
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        }
        return StreamingResponse(_all(first, pieces), media_type="message/rfc822", headers=headers)

    @router.post("/{id}/release", responses=responses(404, 409, 422, 503))
    async def release_message(request: Request, ref: Id) -> ActionShape:
        """Let a message out; it is delivered exactly once."""
        return _done(await tools.quarantine.release([ref], actor_of(request.scope)))

    @router.delete("/{id}", responses=responses(404, 409, 422, 503))
    async def delete_message(request: Request, ref: Id) -> ActionShape:
        """Delete a held message."""
        return _done(await tools.quarantine.delete([ref], actor_of(request.scope)))

    return router


def _search(query: HeldQuery, action: Action | None, state: State | None) -> Search:
    return Search(
        limit=query.limit,
        cursor=query.cursor,
        sender=query.sender,
        recipient=query.recipient,
        subject=query.subject,
        action=action,
        state=state,
        reason=query.reason,
        since=query.since.timestamp() if query.since else 0.0,
        until=query.until.timestamp() if query.until else 0.0,
    )


async def _existing(tools: Tools, ref: str) -> MessageDetail:
    found = await tools.quarantine.get(ref)
    if found is None:
        raise Problem(404, "there is no such message")
    return found


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _done(results: Sequence[ActionShape]) -> ActionShape:
    [result] = results
    if not result.done:
        raise Problem(409 if result.state else 404, result.detail)
    return result
