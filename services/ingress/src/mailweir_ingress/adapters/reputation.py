"""The reputation service over gRPC, several questions to a call; and one in memory."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import grpc.aio

from mailweir.reputation.v1 import reputation_pb2 as pb
from mailweir_core.outcome import Outcome, Status
from mailweir_ingress.adapters.answers import batcher, outcome_of, seconds_of
from mailweir_ingress.ports import ReputationAnswer, ReputationQuestion, Stage
from mailweir_runtime.convert import (
    client_from_proto,
    client_to_proto,
    session_to_proto,
    text,
)
from mailweir_runtime.rpc import Batcher, RpcFailed, call

METHOD: Final = "/mailweir.reputation.v1.ReputationService/Check"
"""Asking again asks the same: it may be tried again."""
CHECK: Final = "reputation"

_PHASES: Final[Mapping[Stage, "pb.CheckPhase.ValueType"]] = MappingProxyType(
    {
        Stage.CONNECT: pb.CHECK_PHASE_CONNECT,
        Stage.RCPT: pb.CHECK_PHASE_RCPT,
    }
)


class GrpcReputation:
    """Asks the reputation service; what is asked while calls are under way goes together."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Speak over a channel, which the caller closes after `aclose`."""
        self._method: grpc.aio.UnaryUnaryMultiCallable[pb.CheckRequest, pb.CheckResponse]
        self._method = channel.unary_unary(
            METHOD,
            request_serializer=pb.CheckRequest.SerializeToString,
            response_deserializer=pb.CheckResponse.FromString,
        )
        self._batcher: Batcher[pb.CheckItem, pb.CheckResult]
        self._batcher = batcher(self._send)

    async def check(self, question: ReputationQuestion, timeout: float) -> ReputationAnswer:
        """Return the answer, or what stands for one that could not be had in time."""
        item = pb.CheckItem(
            phase=_PHASES[question.stage],
            session=session_to_proto(question.session),
            sender=text(question.sender),
            recipients=[text(recipient) for recipient in question.recipients],
            client=client_to_proto(question.client),
            with_sender=question.with_sender,
        )
        try:
            result = await self._batcher.ask(item, timeout)
        except RpcFailed as error:
            return question.unanswered(
                Outcome(CHECK, Status.TEMPERROR, detail=str(error), seconds=timeout)
            )
        return ReputationAnswer(
            outcome=outcome_of(result.outcome, CHECK),
            client=client_from_proto(result.client),
            recipients=tuple(outcome_of(one, CHECK) for one in result.recipients),
            valid_seconds=seconds_of(result.valid_seconds),
        )

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self._batcher.aclose()

    async def _send(
        self, items: Sequence[pb.CheckItem], seconds: float
    ) -> Sequence[pb.CheckResult]:
        response = await call(self._method, pb.CheckRequest(items=items), timeout=seconds)
        return response.results


class MemoryReputation:
    """Answers by a function, and remembers what it was asked."""

    def __init__(
        self, answer: Callable[[ReputationQuestion], ReputationAnswer] | None = None
    ) -> None:
        """Answer by `answer`; without one nothing speaks against anybody."""
        self._answer = answer
        self.asked: list[ReputationQuestion] = []

    async def check(self, question: ReputationQuestion, timeout: float) -> ReputationAnswer:
        """Return the function's answer at once."""
        del timeout
        self.asked.append(question)
        if self._answer is not None:
            return self._answer(question)
        fine = Outcome(CHECK, Status.OK)
        return ReputationAnswer(fine, question.client, (fine,) * len(question.recipients))
