"""gRPC: lists, one record, a held message's source, release and delete."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mailweir.quarantine.v1 import quarantine_pb2, quarantine_pb2_grpc
from mailweir_quarantine.adapters.events import Undecodable, progress_to, unpacked
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.policy.search import MAX_IDS, BadSearch, checked
from mailweir_quarantine.policy.text import is_storable_ref
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.releases import Releases
from mailweir_quarantine.values import Explained, Result, Summary
from mailweir_runtime.bus.ports import BodyStore
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import Refused, RpcFailure
from mailweir_runtime.sql import SqlError

CHUNK_BYTES: Final = 256 * 1024
MAX_ACTOR: Final = 200

Context = Any  # grpc.aio.ServicerContext; its generic parameters say nothing here

_log = get_logger(__name__)


class QuarantineService(quarantine_pb2_grpc.QuarantineServiceServicer):
    """Answers over the record store. A store that is away is UNAVAILABLE, a filter that is wrong INVALID."""

    def __init__(
        self, store: RecordStore, releases: Releases, bodies: BodyStore, metrics: QuarantineMetrics
    ) -> None:
        """Take what to answer from."""
        self._store = store
        self._releases = releases
        self._bodies = bodies
        self._metrics = metrics

    async def Search(  # noqa: N802 - the names are the proto's
        self, request: quarantine_pb2.SearchRequest, _context: Context
    ) -> quarantine_pb2.SearchResponse:
        """Return a page of records, newest first."""
        try:
            wanted = checked(
                limit=request.limit, cursor=request.cursor, sender=request.sender,
                recipient=request.recipient, subject=request.subject, action=request.action,
                state=request.state, reason=request.reason, since=request.since, until=request.until,
            )  # fmt: skip
        except BadSearch as error:
            raise Refused(RpcFailure.INVALID, str(error)) from error
        with self._asking("query"):
            page = await self._store.search(wanted)
        items = [_summary(item) for item in page.items]
        return quarantine_pb2.SearchResponse(items=items, next=page.next)

    async def Get(  # noqa: N802
        self, request: quarantine_pb2.GetRequest, _context: Context
    ) -> quarantine_pb2.GetResponse:
        """Return one record; the answer is empty where nothing is known of it."""
        if not is_storable_ref(request.id):
            return quarantine_pb2.GetResponse()
        with self._asking("query"):
            found = await self._store.get(request.id)
        return quarantine_pb2.GetResponse() if found is None else _explained(found)

    async def Source(  # noqa: N802
        self, request: quarantine_pb2.SourceRequest, _context: Context
    ) -> AsyncIterator[quarantine_pb2.SourceResponse]:
        """Yield the source of a held message in pieces; none where its body is not here."""
        if not is_storable_ref(request.id):
            return
        with self._asking("query"):
            body = await self._store.body(request.id)
        content = await self._bodies.get(body.key) if body is not None else None
        for start in range(0, len(content or b""), CHUNK_BYTES):
            yield quarantine_pb2.SourceResponse(chunk=(content or b"")[start : start + CHUNK_BYTES])

    async def Release(  # noqa: N802
        self, request: quarantine_pb2.ReleaseRequest, _context: Context
    ) -> quarantine_pb2.ReleaseResponse:
        """Let messages out."""
        _check_ids(request.ids)
        with self._asking(None):
            results = await self._releases.release(request.ids, request.actor[:MAX_ACTOR])
        return quarantine_pb2.ReleaseResponse(results=[_result(result) for result in results])

    async def Delete(  # noqa: N802
        self, request: quarantine_pb2.DeleteRequest, _context: Context
    ) -> quarantine_pb2.DeleteResponse:
        """Delete held messages."""
        _check_ids(request.ids)
        with self._asking(None):
            results = await self._releases.delete(request.ids, request.actor[:MAX_ACTOR])
        return quarantine_pb2.DeleteResponse(results=[_result(result) for result in results])

    async def Stats(  # noqa: N802
        self, _request: quarantine_pb2.StatsRequest, _context: Context
    ) -> quarantine_pb2.StatsResponse:
        """Count records."""
        with self._asking("query"):
            counts = await self._store.counts()
        return quarantine_pb2.StatsResponse(by_state=counts.by_state, by_action=counts.by_action)

    @contextmanager
    def _asking(self, operation: str | None) -> Iterator[None]:
        """Count the store's failures (where nobody else does) and say UNAVAILABLE."""
        try:
            yield
        except SqlError as error:
            if operation is not None:
                self._metrics.sql_errors.labels(operation).inc()
            _log.warning("store_failed", detail=str(error))
            raise Refused(RpcFailure.UNAVAILABLE, "the database does not answer") from error


def _check_ids(ids: Sequence[str]) -> None:
    if len(ids) > MAX_IDS:
        raise Refused(RpcFailure.INVALID, f"{len(ids)} ids; the most is {MAX_IDS}")


def _summary(item: Summary) -> quarantine_pb2.MessageSummary:
    facts = item.facts
    return quarantine_pb2.MessageSummary(
        id=facts.ref,
        received_at=facts.received_at,
        client_ip=facts.client_ip,
        helo=facts.helo,
        sender=facts.sender,
        recipients=facts.recipients,
        subject=item.subject,
        bytes=facts.bytes,
        score=facts.score,
        action=facts.action,
        reason=facts.reason,
        state=item.state or "",
    )


def _explained(found: Explained) -> quarantine_pb2.GetResponse:
    response = quarantine_pb2.GetResponse(summary=_summary(found.summary))
    if found.judged is not None:
        try:
            response.judged.CopyFrom(unpacked(found.judged))
        except Undecodable as error:
            _log.error("record_unreadable", ref=found.summary.facts.ref, detail=str(error))
    if found.progress is not None:
        response.delivery.CopyFrom(progress_to(found.progress))
    return response


def _result(result: Result) -> quarantine_pb2.ActionResult:
    return quarantine_pb2.ActionResult(
        id=result.ref, state=result.state or "", done=result.done, detail=result.detail
    )
