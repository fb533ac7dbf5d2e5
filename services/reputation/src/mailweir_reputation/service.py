"""gRPC: lists of clients and senders in, lists of what is known of them out."""

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc.aio

from mailweir.reputation.v1 import reputation_pb2 as pb, reputation_pb2_grpc
from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome, Status
from mailweir_policy import Policy
from mailweir_reputation.checking import Checker
from mailweir_reputation.convert import (
    entry_to_proto,
    item_from_proto,
    result_to_proto,
    zone_to_proto,
)
from mailweir_reputation.policy.findings import CHECK
from mailweir_reputation.policy.items import Result
from mailweir_reputation.policy.lists.health import Watch
from mailweir_reputation.ports import Acquaintance
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.convert import client_from_proto
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import Refused, RpcFailure

LONGEST_SECONDS: Final = 10.0
"""For a check whose caller names no deadline."""
MAX_SUBJECT: Final = 512

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Most items of a call, and what is kept back of its deadline for the answer, in seconds."""

    batch_items: int = 256
    reply_seconds: float = 0.05


class ReputationService(reputation_pb2_grpc.ReputationServiceServicer):
    """Answers for clients and senders. One bad item spoils its own result alone, never the call."""

    def __init__(
        self,
        checker: Checker,
        acquaintance: Acquaintance,
        keeper: Iterable[Watch],
        config: HasPolicy,
        clock: Clock,
        *,
        bounds: Bounds,
    ) -> None:
        """Take the policy from `config` anew for each call."""
        self._checker = checker
        self._acquaintance = acquaintance
        self._keeper = keeper
        self._config = config
        self._clock = clock
        self._bounds = bounds

    async def Check(  # noqa: N802 - the name is the proto's
        self,
        request: pb.CheckRequest,
        context: grpc.aio.ServicerContext[pb.CheckRequest, pb.CheckResponse],
    ) -> pb.CheckResponse:
        """Check every item by one policy, results in order. Raises Refused for too many items."""
        if len(request.items) > self._bounds.batch_items:
            detail = f"{len(request.items)} items in a call; the most is {self._bounds.batch_items}"
            raise Refused(RpcFailure.INVALID, detail)
        policy, until = self._config.current.policy, self._until(context.time_remaining())
        results = await self._check_all(request.items, policy, until)
        return pb.CheckResponse(results=[result_to_proto(result) for result in results])

    def _until(self, remaining: float | None) -> float:
        known = LONGEST_SECONDS
        if remaining is not None and math.isfinite(remaining):
            known = min(known, max(0.0, remaining - self._bounds.reply_seconds))
        return self._clock.monotonic() + known

    async def _check_all(
        self, items: Sequence[pb.CheckItem], policy: Policy, until: float
    ) -> list[Result]:
        if len(items) == 1:  # the most frequent call, which needs no task
            return [await self._check(items[0], policy, until)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._check(item, policy, until)) for item in items]
        return [task.result() for task in running]

    async def _check(self, message: pb.CheckItem, policy: Policy, until: float) -> Result:
        try:
            return await self._checker.check(item_from_proto(message), policy, until)
        except Exception as error:  # noqa: BLE001 - one item must not spoil the others; logged and counted
            _log.exception("check_crashed", session=message.session.id)
            self._checker.crashed()
            outcome = Outcome(CHECK, Status.TEMPERROR, detail=type(error).__name__)
            spoilt = (outcome,) * len(message.recipients)
            return Result(outcome, client_from_proto(message.client), recipients=spoilt)

    async def ListZones(  # noqa: N802 - the name is the proto's
        self,
        request: pb.ListZonesRequest,
        context: grpc.aio.ServicerContext[pb.ListZonesRequest, pb.ListZonesResponse],
    ) -> pb.ListZonesResponse:
        """Return how each list of the policy fares."""
        del request, context
        offset = self._clock.now() - self._clock.monotonic()
        return pb.ListZonesResponse(zones=[zone_to_proto(watch, offset) for watch in self._keeper])

    async def GetHistory(  # noqa: N802 - the name is the proto's
        self,
        request: pb.GetHistoryRequest,
        context: grpc.aio.ServicerContext[pb.GetHistoryRequest, pb.GetHistoryResponse],
    ) -> pb.GetHistoryResponse:
        """Return what is remembered of somebody. Raises Refused for a text that is too long to be anybody."""
        del context
        if len(request.subject) > MAX_SUBJECT:
            raise Refused(RpcFailure.INVALID, f"a subject has at most {MAX_SUBJECT} characters")
        entries = await self._acquaintance.history(request.subject, self._clock.now())
        return pb.GetHistoryResponse(entries=[entry_to_proto(entry) for entry in entries])
