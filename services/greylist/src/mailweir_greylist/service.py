"""gRPC: lists of questions in, lists of answers out; and the entries for people to look through."""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from mailweir.greylist.v1 import greylist_pb2 as pb, greylist_pb2_grpc
from mailweir_core.clock import Clock
from mailweir_greylist.checking import Checker
from mailweir_greylist.convert import entry_to_proto, question_of
from mailweir_greylist.counting import Counting
from mailweir_greylist.metrics import Metrics
from mailweir_greylist.policy.answers import Answer, outcome_of
from mailweir_greylist.policy.entry import DIGEST_BYTES, LISTED, MAX_ACTOR, Entry, Kind, State
from mailweir_greylist.policy.forecast import log_only_until
from mailweir_greylist.policy.steps import WAITS, authorised
from mailweir_greylist.ports import Kept, Listing, Store, StoreLost
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.convert import outcome_to_proto
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import Refused, RpcFailure

MAX_RECIPIENTS: Final = 10_000
"""Recipients in one call, all items together."""
PAGE: Final = 50
MAX_PAGE: Final = 500
MAX_TEXT: Final = 200
STORE_SECONDS: Final = 5.0
"""For what people ask for; the checks have the policy's `answer_seconds`."""
TRIES: Final = 5

_ID: Final = re.compile(rf"(?:{Kind.TRIPLET}|{Kind.CLIENT})\.[0-9a-f]{{{2 * DIGEST_BYTES}}}")
Context = Any  # grpc.aio.ServicerContext; its generic parameters say nothing here
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service answers from; `started` is when it was first started, on whatever machine."""

    checker: Checker
    counting: Counting
    listing: Listing
    store: Store
    config: HasPolicy
    clock: Clock
    metrics: Metrics
    started: float
    batch_items: int


class GreylistService(greylist_pb2_grpc.GreylistServiceServicer):
    """Answers by the policy in force. A wrong request is INVALID, an outage of the store UNAVAILABLE."""

    def __init__(self, parts: Parts) -> None:
        """Take what to answer from."""
        self._checker = parts.checker
        self._counting = parts.counting
        self._listing = parts.listing
        self._store = parts.store
        self._config = parts.config
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._started = parts.started
        self._batch_items = parts.batch_items

    async def Check(  # noqa: N802 - the names are the proto's
        self, request: pb.CheckRequest, _context: Context
    ) -> pb.CheckResponse:
        """Look at every item by one policy, results in order. Raises Refused for too many."""
        recipients = sum(len(item.recipients) for item in request.items)
        if len(request.items) > self._batch_items or recipients > MAX_RECIPIENTS:
            detail = (
                f"{len(request.items)} items and {recipients} recipients in a call; the most are"
                f" {self._batch_items} and {MAX_RECIPIENTS}"
            )
            raise Refused(RpcFailure.INVALID, detail)
        policy = self._policy
        log_only = self._log_only(policy)
        questions = [question_of(item) for item in request.items]
        answers = await self._checker.check(questions, policy)
        return pb.CheckResponse(
            results=[self._result(found, policy, log_only=log_only) for found in answers]
        )

    async def List(  # noqa: N802
        self, request: pb.ListRequest, _context: Context
    ) -> pb.ListResponse:
        """Return a page of entries, the last written first."""
        if request.limit > MAX_PAGE or len(request.text) > MAX_TEXT:
            raise Refused(
                RpcFailure.INVALID, f"limit is at most {MAX_PAGE}, text {MAX_TEXT} characters"
            )
        page = await self._listing.page(
            state=_state(request.state), text=request.text, limit=request.limit or PAGE,
            before=_cursor(request.cursor), now=self._clock.now(),
        )  # fmt: skip
        entries = [entry_to_proto(key, entry) for key, entry in page.entries]
        return pb.ListResponse(entries=entries, next=str(page.before) if page.before else "")

    async def Authorise(  # noqa: N802
        self, request: pb.AuthoriseRequest, _context: Context
    ) -> pb.AuthoriseResponse:
        """Let an entry through from its next try on; raises Refused where there is no such entry."""
        actor = request.actor[:MAX_ACTOR]
        if not actor:
            raise Refused(RpcFailure.INVALID, "actor: say who authorises it")
        for _ in range(TRIES):
            kept, entry = await self._existing(request.id)
            now = self._clock.now()
            made = authorised(entry, actor, self._policy, now)
            if await self._write(request.id, made, kept, now):
                self._taken_out(entry)
                _log.info("entry_authorised", id=request.id, actor=actor)
                return pb.AuthoriseResponse(entry=entry_to_proto(request.id, made))
        raise Refused(RpcFailure.EXHAUSTED, "the entry changes too fast; try again")

    async def Delete(  # noqa: N802
        self, request: pb.DeleteRequest, _context: Context
    ) -> pb.DeleteResponse:
        """Forget an entry: its client is new again. Raises Refused where there is no such entry."""
        _, entry = await self._existing(request.id)
        async with asyncio.timeout(STORE_SECONDS):
            try:
                await self._store.delete(request.id)
            except StoreLost as error:
                raise _away(error) from error
        self._taken_out(entry)
        _log.info("entry_deleted", id=request.id, actor=request.actor[:MAX_ACTOR])
        return pb.DeleteResponse()

    async def Forecast(  # noqa: N802
        self, _request: pb.ForecastRequest, _context: Context
    ) -> pb.ForecastResponse:
        """Say what greylisting did, or would have done."""
        async with asyncio.timeout(STORE_SECONDS):
            try:
                total = await self._counting.total()
            except StoreLost as error:
                raise _away(error) from error
        policy = self._policy
        until = log_only_until(self._started, policy.log_only, policy.log_only_seconds)
        return pb.ForecastResponse(
            since=self._started,
            log_only=self._clock.now() < until,
            log_only_until=until if math.isfinite(until) else 0.0,
            checked=total.checked,
            deferred=total.deferred,
            returned=total.returned,
            lost=total.lost(self._listing.count(State.PENDING)),
            median_wait_seconds=total.median_wait(),
        )

    @property
    def _policy(self) -> GreylistPolicy:
        return self._config.current.policy.greylist

    def _log_only(self, policy: GreylistPolicy) -> bool:
        until = log_only_until(self._started, policy.log_only, policy.log_only_seconds)
        log_only = self._clock.now() < until
        self._metrics.log_only.set(log_only)
        return log_only

    def _result(
        self, answers: Sequence[Answer], policy: GreylistPolicy, *, log_only: bool
    ) -> pb.CheckResult:
        waits = [] if log_only else [a.wait for a in answers if a.finding in WAITS]
        self._metrics.deferred.inc(len(waits))
        outcomes = [outcome_of(answer, policy.text, log_only=log_only) for answer in answers]
        return pb.CheckResult(
            recipients=[outcome_to_proto(o) for o in outcomes], wait_seconds=max(waits, default=0.0)
        )

    async def _existing(self, key: str) -> tuple[Kept, Entry]:
        """Return what is stored under an id; raises Refused where there is nothing."""
        if not _ID.fullmatch(key):
            raise Refused(RpcFailure.INVALID, "id: not one of an entry")
        async with asyncio.timeout(STORE_SECONDS):
            try:
                kept = (await self._store.read([key]))[key]
            except StoreLost as error:
                raise _away(error) from error
        if kept.entry is None or not kept.entry.lives(self._clock.now()):
            raise Refused(RpcFailure.INVALID, "id: there is no such entry, or not any more")
        return kept, kept.entry

    async def _write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
        async with asyncio.timeout(STORE_SECONDS):
            try:
                return await self._store.write(key, entry, before, now)
            except StoreLost as error:
                raise _away(error) from error

    def _taken_out(self, entry: Entry) -> None:
        """Count one that is not waited for any more, without having come back."""
        if entry.state is State.PENDING:
            self._checker.tally.removed += 1


def add_to(server: grpc.aio.Server, service: GreylistService) -> None:
    """Serve it."""
    greylist_pb2_grpc.add_GreylistServiceServicer_to_server(service, server)


def _state(text: str) -> State | None:
    if not text:
        return None
    if text not in LISTED:
        raise Refused(RpcFailure.INVALID, f"state is one of {', '.join(LISTED)}, or empty")
    return State(text)


def _cursor(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Refused(RpcFailure.INVALID, "cursor: not one that this service gave out")
    return int(text)


def _away(error: StoreLost) -> Refused:
    _log.warning("store_failed", detail=str(error))
    return Refused(RpcFailure.UNAVAILABLE, "the store does not answer")
