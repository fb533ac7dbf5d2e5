"""The quarantine: over gRPC, and one in memory for unit tests."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import grpc.aio

from mailweir.quarantine.v1 import quarantine_pb2, quarantine_pb2_grpc
from mailweir_core.decision import State
from mailweir_gateway.adapters import explain
from mailweir_gateway.adapters.edge import NOWHERE
from mailweir_gateway.models.messages import ActionShape, MessageDetail, MessagePage
from mailweir_gateway.ports import QuarantineUnavailable, Search, SearchRefused
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, stream

QUERY_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 15.0
SOURCE_SECONDS: Final = 60.0
_SERVICE: Final = "/mailweir.quarantine.v1.QuarantineService"
_IDEMPOTENT: Final = tuple(f"{_SERVICE}/{name}" for name in ("Search", "Get", "Release", "Delete"))


class GrpcQuarantine:
    """See `ports.Quarantine`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take a channel to the service."""
        self._stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)

    async def search(self, wanted: Search) -> MessagePage:
        """Return a page of records, newest first."""
        request = quarantine_pb2.SearchRequest(
            limit=wanted.limit,
            cursor=wanted.cursor,
            sender=wanted.sender,
            recipient=wanted.recipient,
            subject=wanted.subject,
            action=wanted.action or "",
            state=wanted.state or "",
            reason=wanted.reason or "",
            since=wanted.since,
            until=wanted.until,
        )
        with _failures():
            page = await call(self._stub.Search, request, timeout=QUERY_SECONDS)
        return MessagePage(items=tuple(explain.item(i) for i in page.items), next=page.next)

    async def get(self, ref: str) -> MessageDetail | None:
        """Return one record, or None where nothing is known of it."""
        request = quarantine_pb2.GetRequest(id=ref)
        with _failures():
            found = await call(self._stub.Get, request, timeout=QUERY_SECONDS)
        return explain.detail(found) if found.HasField("summary") else None

    async def source(self, ref: str) -> AsyncIterator[bytes]:
        """Yield the source of a held message in pieces."""
        request = quarantine_pb2.SourceRequest(id=ref)
        with _failures():
            async for piece in stream(self._stub.Source, request, timeout=SOURCE_SECONDS):
                yield piece.chunk

    async def release(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Let messages out; one result per ref, in order."""
        request = quarantine_pb2.ReleaseRequest(ids=refs, actor=actor)
        with _failures():
            answer = await call(self._stub.Release, request, timeout=COMMAND_SECONDS)
        return [explain.action(result) for result in answer.results]

    async def delete(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Delete held messages; one result per ref, in order."""
        request = quarantine_pb2.DeleteRequest(ids=refs, actor=actor)
        with _failures():
            answer = await call(self._stub.Delete, request, timeout=COMMAND_SECONDS)
        return [explain.action(result) for result in answer.results]


@asynccontextmanager
async def connect_quarantine(target: str) -> AsyncIterator[GrpcQuarantine]:
    """Open a channel; it connects at the first call, and again whenever the service comes back.

    Where `target` is empty there is none, and no call is answered.
    """
    async with open_channel(target or NOWHERE, idempotent=_IDEMPOTENT) as channel:
        yield GrpcQuarantine(channel)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except RpcFailed as error:
        if error.kind is RpcFailure.INVALID:
            raise SearchRefused(error.detail) from error
        raise QuarantineUnavailable(str(error)) from error


class MemoryQuarantine:
    """Records and held mail in memory. Set `outage` to have every call raise QuarantineUnavailable."""

    def __init__(self) -> None:
        """Begin empty."""
        self.outage = False
        self.actors: list[str] = []
        self._records: dict[str, MessageDetail] = {}
        self._sources: dict[str, bytes] = {}

    def add(self, record: MessageDetail, source: bytes = b"") -> None:
        """Put a record in, with the source of a held message."""
        self._records[record.id] = record
        if source:
            self._sources[record.id] = source

    def _check(self) -> None:
        if self.outage:
            raise QuarantineUnavailable("as the test wants")

    async def search(self, wanted: Search) -> MessagePage:
        """Return a page of records, newest first; the cursor is the last id of the page before."""
        self._check()
        newest = sorted(self._records.values(), key=lambda r: (r.received_at, r.id), reverse=True)
        found = [record for record in newest if _matches(record, wanted)]
        if wanted.cursor:
            ids = [record.id for record in found]
            if wanted.cursor not in ids:
                raise SearchRefused("cursor: not one that this service gave out")
            found = found[ids.index(wanted.cursor) + 1 :]
        items = tuple(found[: wanted.limit])
        return MessagePage(items=items, next=items[-1].id if len(found) > wanted.limit else "")

    async def get(self, ref: str) -> MessageDetail | None:
        """Return one record, or None where nothing is known of it."""
        self._check()
        return self._records.get(ref)

    async def source(self, ref: str) -> AsyncIterator[bytes]:
        """Yield the source of a held message in pieces."""
        self._check()
        content = self._sources.get(ref, b"")
        for start in range(0, len(content), 1024):
            yield content[start : start + 1024]

    async def release(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Let messages out; one result per ref, in order."""
        return self._command(refs, actor, State.RELEASED)

    async def delete(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Delete held messages; one result per ref, in order."""
        return self._command(refs, actor, State.DELETED)

    def _command(self, refs: Sequence[str], actor: str, after: State) -> list[ActionShape]:
        self._check()
        self.actors.append(actor)
        return [self._one(ref, after) for ref in refs]

    def _one(self, ref: str, after: State) -> ActionShape:
        record = self._records.get(ref)
        if record is None:
            return ActionShape(id=ref, state="", done=False, detail="there is no such message")
        if record.state == State.HELD:
            self._records[ref] = record.model_copy(update={"state": after.value})
            return ActionShape(id=ref, state=after.value, done=True, detail="")
        done = record.state == after
        detail = "" if done else f"the message is {record.state}"
        return ActionShape(id=ref, state=record.state, done=done, detail=detail)


def _matches(record: MessageDetail, wanted: Search) -> bool:
    texts = (
        (wanted.sender, record.sender),
        (wanted.recipient, " ".join(record.recipients)),
        (wanted.subject, record.subject),
    )
    words = (
        (wanted.action, record.action),
        (wanted.state, record.state),
        (wanted.reason, record.reason),
    )
    return all(part.casefold() in text.casefold() for part, text in texts) and all(
        word is None or word == actual for word, actual in words
    )
