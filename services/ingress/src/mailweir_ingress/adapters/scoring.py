"""The scoring service over gRPC, several messages to a call; and a scorer in memory."""

from collections.abc import Callable, Sequence
from typing import Final

import grpc.aio

from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.decision import Action
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope
from mailweir_ingress.adapters.wire import field_head, with_field
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_runtime.convert import (
    envelope_to_proto,
    outcome_to_proto,
    reason_from_text,
    status_from_proto,
)
from mailweir_runtime.rpc import Batcher, RpcFailed, call

METHOD: Final = "/mailweir.scoring.v1.ScoringService/Score"
MAX_ITEMS: Final = 16
MAX_BYTES: Final = 4 * 1024 * 1024
LARGE_BYTES: Final = 65_536
"""A larger message does not go with the others: they need not wait while it is looked through."""
IN_FLIGHT: Final = 4
"""So many scoring processes work for one of ours at once."""
PATIENCE_SECONDS: Final = 0.02
"""A call costs as much as judging a small message: what comes during a quick one gathers for the next."""


def no_verdict(detail: str) -> ContentVerdict:
    """Return what stands for a verdict that could not be had."""
    return ContentVerdict(Status.TEMPERROR, Action.DEFER, Reason.SCORING_UNAVAILABLE, detail=detail)


def verdict_from_proto(result: scoring_pb2.ScoreResult) -> ContentVerdict:
    """Return the verdict in a result; one that we do not understand is none."""
    reason = reason_from_text(result.reason)
    try:
        action = Action(result.action)
    except ValueError:
        return no_verdict(f"unknown action {result.action[:20]!r}")
    if reason is None:
        return no_verdict(f"unknown reason {result.reason[:40]!r}")
    return ContentVerdict(
        status=status_from_proto(result.status),
        action=action,
        reason=reason,
        score=result.score,
        headers=tuple((header.name, header.value) for header in result.headers),
        signals=tuple(signal.name for signal in result.signals),
        detail=result.detail,
        record=result,
    )


class GrpcScorer:
    """Asks the scoring service; messages that come while calls are under way go together.

    Large and small ones have calls of their own.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Speak over a channel, which the caller closes after `aclose`."""
        # Requests are put together from items that are bytes already, see `adapters.wire`.
        self._method: grpc.aio.UnaryUnaryMultiCallable[bytes, scoring_pb2.ScoreResponse]
        self._method = channel.unary_unary(
            METHOD, response_deserializer=scoring_pb2.ScoreResponse.FromString
        )
        self._small = self._batches(PATIENCE_SECONDS)
        self._large = self._batches(0.0)

    def _batches(self, patience: float) -> Batcher[bytes, scoring_pb2.ScoreResult]:
        return Batcher(
            self._send,
            max_items=MAX_ITEMS,
            max_bytes=MAX_BYTES,
            size_of=len,
            max_in_flight=IN_FLIGHT,
            patience=patience,
        )

    async def score(
        self, envelope: Envelope, raw: bytes, outcomes: Sequence[Outcome], timeout: float
    ) -> ContentVerdict:
        """Return the verdict, or what stands for one that could not be had in time."""
        item = scoring_pb2.ScoreItem(
            envelope=envelope_to_proto(envelope),
            outcomes=[outcome_to_proto(outcome) for outcome in outcomes],
        )
        try:
            whole = with_field(item, scoring_pb2.ScoreItem.RAW_FIELD_NUMBER, raw)
            batcher = self._large if len(raw) > LARGE_BYTES else self._small
            return verdict_from_proto(await batcher.ask(whole, timeout))
        except RpcFailed as error:
            return no_verdict(str(error))

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self._small.aclose()
        await self._large.aclose()

    async def _send(
        self, items: Sequence[bytes], seconds: float
    ) -> Sequence[scoring_pb2.ScoreResult]:
        number = scoring_pb2.ScoreRequest.ITEMS_FIELD_NUMBER
        request = b"".join(
            [part for item in items for part in (field_head(number, len(item)), item)]
        )
        response = await call(self._method, request, timeout=seconds)
        return response.results


class MemoryScorer:
    """Judges by a function, and remembers what it was asked."""

    def __init__(self, judge: Callable[[Envelope, bytes], ContentVerdict] | None = None) -> None:
        """Judge by `judge`; without one every message is clean."""
        self._judge = judge
        self.asked: list[tuple[Envelope, bytes]] = []
        self.outcomes: list[tuple[Outcome, ...]] = []

    async def score(
        self, envelope: Envelope, raw: bytes, outcomes: Sequence[Outcome], timeout: float
    ) -> ContentVerdict:
        """Return the function's verdict at once."""
        del timeout
        self.asked.append((envelope, raw))
        self.outcomes.append(tuple(outcomes))
        if self._judge is None:
            return ContentVerdict(Status.OK, Action.ACCEPT, Reason.CLEAN)
        return self._judge(envelope, raw)
