"""`lists`: entries of allow and block lists."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request

from mailweir_core.entries import MAX_ID, ListEntry, make_entry
from mailweir_core.hits import Hits
from mailweir_gateway.adapters.explain import time
from mailweir_gateway.api.middleware import actor_of
from mailweir_gateway.api.problems import Problem, responses
from mailweir_gateway.api.requests import StrictRoute, body_text
from mailweir_gateway.lists import NO_HITS, Wanted
from mailweir_gateway.models.lists import (
    EntryChange,
    Imported,
    ImportQuery,
    ListEntryShape,
    ListPage,
    ListQuery,
)
from mailweir_gateway.policy.listtext import read_lines
from mailweir_gateway.tools import Tools

Id = Annotated[str, Path(alias="id", pattern=r"^[A-Za-z0-9_=-]+$", max_length=MAX_ID)]
_TEXT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}


def lists(tools: Tools) -> APIRouter:
    """Return the routes of `lists`."""
    router = APIRouter(prefix="/lists", tags=["lists"], route_class=StrictRoute)

    @router.get("", responses=responses(422, 503))
    async def list_entries(query: Annotated[ListQuery, Query()]) -> ListPage:
        """Return a page of entries, the newest first, with how often each counted."""
        wanted = Wanted(query.kind, query.owner, query.text, query.limit, query.cursor)
        entries, following = await tools.lists.page(wanted)
        hits = await tools.lists.hits([entry.id for entry in entries])
        shapes = (_shape(entry, hit) for entry, hit in zip(entries, hits, strict=True))
        return ListPage(items=tuple(shapes), next=following)

    @router.post("", status_code=201, responses=responses(409, 415, 422, 503))
    async def add_entry(request: Request, body: EntryChange) -> ListEntryShape:
        """Add an entry; it holds at once.

        What was found of a client a moment ago is asked for anew after `reputation.entry_valid_seconds`.
        """
        entry = _entry(tools, body, actor_of(request.scope))
        if not await tools.lists.add(entry):
            raise Problem(409, f"there is such an entry already: {entry.id}")
        return _shape(entry, NO_HITS)

    @router.post("/import", responses=responses(415, 422, 503), openapi_extra=_TEXT)
    async def import_entries(request: Request, query: Annotated[ImportQuery, Query()]) -> Imported:
        """Add an entry for each line of a text, or none where a line is wrong.

        One item a line; a comment begins with `#` or `;`. An entry that is there already is as the import
        says then.
        """
        return await _imported(tools, query, await body_text(request), actor_of(request.scope))

    _one(router, tools)
    return router


def _one(router: APIRouter, tools: Tools) -> None:
    """Add the routes of one entry."""

    @router.get("/{id}", responses=responses(404, 422, 503))
    async def get_entry(entry_id: Id) -> ListEntryShape:
        """Return one entry."""
        return await _existing(tools, entry_id)

    @router.put("/{id}", responses=responses(404, 415, 422, 503))
    async def put_entry(request: Request, entry_id: Id, body: EntryChange) -> ListEntryShape:
        """Say anew what an entry is."""
        shown = await _existing(tools, entry_id)
        entry = _entry(tools, body, actor_of(request.scope), entry_id)
        await tools.lists.put(entry)
        counted = {"hits": shown.hits, "hit_at": shown.hit_at}
        return _shape(entry, NO_HITS).model_copy(update=counted)

    @router.delete("/{id}", status_code=204, responses=responses(404, 422, 503))
    async def delete_entry(entry_id: Id) -> None:
        """Remove an entry; it holds no more as soon as a new one would hold."""
        if not await tools.lists.delete(entry_id):
            raise Problem(404, "there is no such entry")


async def _existing(tools: Tools, entry_id: str) -> ListEntryShape:
    entry = await tools.lists.get(entry_id)
    if entry is None:
        raise Problem(404, "there is no such entry")
    [hits] = await tools.lists.hits([entry_id])
    return _shape(entry, hits)


def _entry(tools: Tools, body: EntryChange, actor: str, entry_id: str = "") -> ListEntry:
    expires = _until(tools, body.expires_at)
    try:
        return make_entry(
            body.kind, body.item, owner=body.owner, recipients=tuple(body.recipients),
            expires=expires, note=body.note, by=actor, at=tools.clock.now(), id=entry_id,
        )  # fmt: skip
    except ValueError as error:
        raise Problem(422, "that is no entry", errors=[("item", str(error))]) from error


def _until(tools: Tools, expires: datetime | None) -> float:
    if expires is None:
        return 0.0
    seconds = expires.timestamp()
    if seconds <= tools.clock.now():
        detail = "that is no entry"
        raise Problem(422, detail, errors=[("expires_at", "that time is over")])
    return seconds


async def _imported(tools: Tools, query: ImportQuery, text: str, actor: str) -> Imported:
    expires, now = _until(tools, query.expires_at), tools.clock.now()

    def entry_of(item: str) -> ListEntry:
        return make_entry(
            query.kind, item, owner=query.owner, expires=expires, note=query.note, by=actor, at=now
        )

    read = read_lines(text, entry_of)
    if read.errors:
        errors = [(f"line.{number}", sentence) for number, sentence in read.errors]
        raise Problem(422, f"nothing was imported; wrong lines: {len(errors)}", errors=errors)
    added = await tools.lists.load(read.entries)
    return Imported(added=added, known=len(read.entries) - added)


def _shape(entry: ListEntry, hits: Hits) -> ListEntryShape:
    return ListEntryShape(
        id=entry.id,
        kind=entry.kind,
        item=entry.item,
        owner=entry.owner,
        recipients=entry.recipients,
        expires_at=time(entry.expires),
        note=entry.note,
        by=entry.by,
        at=time(entry.at),
        hits=hits.count,
        hit_at=time(hits.at),
    )
