"""gRPC: lists of messages in, lists of judgements out."""

import asyncio
import math
from collections.abc import Sequence

import grpc.aio

from mailweir.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from mailweir_runtime.config import HasPolicy, PolicySnapshot
from mailweir_runtime.convert import envelope_from_proto, outcome_from_proto
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import Refused, RpcFailure
from mailweir_scoring.convert import result_to_proto
from mailweir_scoring.engine import Engine
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.walk import Task

_log = get_logger(__name__)


class ScoringService(scoring_pb2_grpc.ScoringServiceServicer):
    """Answers `Score`. One bad message spoils its own result alone, never the call."""

    def __init__(
        self, engine: Engine, config: HasPolicy, batch_items: int, reply_seconds: float
    ) -> None:
        """Take the policy from `config` anew for each call."""
        self._engine = engine
        self._config = config
        self._batch_items = batch_items
        self._reply_seconds = reply_seconds

    async def Score(  # noqa: N802 - the name is the proto's
        self,
        request: scoring_pb2.ScoreRequest,
        context: grpc.aio.ServicerContext[scoring_pb2.ScoreRequest, scoring_pb2.ScoreResponse],
    ) -> scoring_pb2.ScoreResponse:
        """Judge every item by one policy snapshot, results in order. Raises Refused for too many items."""
        if len(request.items) > self._batch_items:
            detail = f"{len(request.items)} items in a call; the most is {self._batch_items}"
            raise Refused(RpcFailure.INVALID, detail)
        current = self._config.current
        deadline = self._deadline(context.time_remaining())
        judgements = await self._judge_all(request.items, current, deadline)
        return scoring_pb2.ScoreResponse(results=[result_to_proto(j) for j in judgements])

    def _deadline(self, remaining: float | None) -> float:
        """Return when the answers must stand; there is always a deadline, the interceptor sees to it."""
        if remaining is None or not math.isfinite(remaining):
            return math.inf
        return self._engine.tools.clock.monotonic() + max(0.0, remaining - self._reply_seconds)

    async def _judge_all(
        self, items: Sequence[scoring_pb2.ScoreItem], current: PolicySnapshot, deadline: float
    ) -> list[Judgement]:
        """Judge side by side: a message that is in a thread does not keep the small ones waiting."""
        if len(items) == 1:  # the most frequent call, which needs no task
            return [await self._judge(items[0], current, deadline)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._judge(i, current, deadline)) for i in items]
        return [task.result() for task in running]

    async def _judge(
        self, item: scoring_pb2.ScoreItem, current: PolicySnapshot, deadline: float
    ) -> Judgement:
        try:
            task = Task(
                raw=item.raw,
                envelope=envelope_from_proto(item.envelope),
                outcomes=tuple(outcome_from_proto(o) for o in item.outcomes),
            )
            return await self._engine.judge(task, current, deadline)
        except Exception as error:  # noqa: BLE001 - checks are guarded where they run; this is for the rest
            _log.exception("message_not_judged", ref=item.envelope.ref)
            detail = f"{type(error).__name__}: {error}"[:200]
            return self._engine.unjudged(current, len(item.raw), detail)
