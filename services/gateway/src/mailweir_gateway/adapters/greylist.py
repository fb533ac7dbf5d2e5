"""The service `greylist`: over gRPC, and one in memory for unit tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc.aio

from mailweir.greylist.v1 import greylist_pb2, greylist_pb2_grpc
from mailweir_gateway.adapters.edge import (
    COMMAND_SECONDS,
    NOWHERE,
    QUERY_SECONDS,
    failures,
)
from mailweir_gateway.adapters.explain import time
from mailweir_gateway.models.greylist import Forecast, GreyEntry, GreyPage, GreyState
from mailweir_gateway.ports import SearchRefused
from mailweir_gateway.ports_edge import ServiceUnavailable
from mailweir_runtime.rpc import call, open_channel

NAME: Final = "greylist"
_SERVICE: Final = "/mailweir.greylist.v1.GreylistService"
_IDEMPOTENT: Final = tuple(f"{_SERVICE}/{name}" for name in ("List", "Authorise", "Forecast"))
"""Not Delete: asked twice, it would say that there was none."""


class GrpcGreylist:
    """See `ports_edge.Greylist`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take a channel to the service."""
        self._stub = greylist_pb2_grpc.GreylistServiceStub(channel)

    async def entries(self, state: str, text: str, limit: int, cursor: str) -> GreyPage:
        """Return a page of entries, the newest first."""
        request = greylist_pb2.ListRequest(state=state, text=text, limit=limit, cursor=cursor)
        with failures(NAME):
            page = await call(self._stub.List, request, timeout=QUERY_SECONDS)
        return GreyPage(items=tuple(_entry(entry) for entry in page.entries), next=page.next)

    async def authorise(self, entry_id: str, actor: str) -> GreyEntry | None:
        """Let an entry through from now on; None where there is none."""
        request = greylist_pb2.AuthoriseRequest(id=entry_id, actor=actor)
        try:
            with failures(NAME):
                answer = await call(self._stub.Authorise, request, timeout=COMMAND_SECONDS)
        except SearchRefused:
            return None
        return _entry(answer.entry)

    async def delete(self, entry_id: str, actor: str) -> bool:
        """Forget an entry; says whether there was one."""
        request = greylist_pb2.DeleteRequest(id=entry_id, actor=actor)
        try:
            with failures(NAME):
                await call(self._stub.Delete, request, timeout=COMMAND_SECONDS)
        except SearchRefused:
            return False
        return True

    async def forecast(self) -> Forecast:
        """Return what greylisting did, or would have done."""
        with failures(NAME):
            found = await call(
                self._stub.Forecast, greylist_pb2.ForecastRequest(), timeout=QUERY_SECONDS
            )
        return Forecast(
            since=time(found.since),
            log_only=found.log_only,
            log_only_until=time(found.log_only_until),
            checked=found.checked,
            deferred=found.deferred,
            returned=found.returned,
            lost=found.lost,
            median_wait_ms=found.median_wait_seconds * 1000,
        )


@asynccontextmanager
async def connect_greylist(target: str) -> AsyncIterator[GrpcGreylist]:
    """Open a channel; it connects at the first call, and again whenever the service comes back.

    Where `target` is empty there is none, and no call is answered.
    """
    async with open_channel(target or NOWHERE, idempotent=_IDEMPOTENT) as channel:
        yield GrpcGreylist(channel)


def _entry(entry: greylist_pb2.Entry) -> GreyEntry:
    return GreyEntry(
        id=entry.id,
        state=entry.state,
        client=entry.client,
        sender=entry.sender,
        recipient=entry.recipient,
        first_at=time(entry.first_at),
        last_at=time(entry.last_at),
        due_at=time(entry.due_at),
        expires_at=time(entry.expires_at),
        attempts=entry.attempts,
        passes=entry.passes,
        authorised_by=entry.authorised_by,
    )


class MemoryGreylist:
    """Entries in memory, the last added the newest. Set `outage` to have every call raise."""

    def __init__(self) -> None:
        """Begin empty."""
        self.outage = False
        self.actors: list[str] = []
        self.found = Forecast(
            since=None, log_only=False, log_only_until=None, checked=0, deferred=0, returned=0,
            lost=0, median_wait_ms=0.0,
        )  # fmt: skip
        self._entries: dict[str, GreyEntry] = {}

    def add(self, entry: GreyEntry) -> None:
        """Put an entry in."""
        self._entries[entry.id] = entry

    def _check(self) -> None:
        if self.outage:
            raise ServiceUnavailable(NAME, "as the test wants")

    async def entries(self, state: str, text: str, limit: int, cursor: str) -> GreyPage:
        """Return a page of entries, the newest first; the cursor is a place."""
        self._check()
        found = [
            entry
            for entry in reversed(self._entries.values())
            if state in ("", entry.state)
            and text.casefold() in f"{entry.client} {entry.sender} {entry.recipient}".casefold()
        ]
        start = int(cursor or "0")
        more = len(found) > start + limit
        page = tuple(found[start : start + limit])
        return GreyPage(items=page, next=str(start + limit) if more else "")

    async def authorise(self, entry_id: str, actor: str) -> GreyEntry | None:
        """Let an entry through from now on; None where there is none."""
        self._check()
        self.actors.append(actor)
        entry = self._entries.get(entry_id)
        if entry is None:
            return None
        changes = {"state": GreyState.AUTHORISED.value, "authorised_by": actor}
        self._entries[entry_id] = entry.model_copy(update=changes)
        return self._entries[entry_id]

    async def delete(self, entry_id: str, actor: str) -> bool:
        """Forget an entry; says whether there was one."""
        self._check()
        self.actors.append(actor)
        return self._entries.pop(entry_id, None) is not None

    async def forecast(self) -> Forecast:
        """Return what greylisting did, or would have done."""
        self._check()
        return self.found
