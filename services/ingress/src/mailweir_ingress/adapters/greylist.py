"""The greylist service over gRPC, several questions to a call; and one in memory."""

from collections.abc import Callable, Sequence
from typing import Final

import grpc.aio

from mailweir.greylist.v1 import greylist_pb2 as pb
from mailweir_core.outcome import Outcome, Status
from mailweir_ingress.adapters.answers import batcher, outcome_of, seconds_of
from mailweir_ingress.ports import GreylistAnswer, GreylistQuestion
from mailweir_runtime.convert import client_to_proto, session_to_proto, text
from mailweir_runtime.rpc import Batcher, RpcFailed, call

METHOD: Final = "/mailweir.greylist.v1.GreylistService/Check"
"""An early second coming changes nothing: it may be tried again."""
CHECK: Final = "greylist"


class GrpcGreylist:
    """Asks the greylist service; what is asked while calls are under way goes together."""

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

    async def check(self, question: GreylistQuestion, timeout: float) -> GreylistAnswer:
        """Return the answer, or what stands for one that could not be had in time."""
        item = pb.CheckItem(
            session=session_to_proto(question.session),
            client=client_to_proto(question.client),
            sender=text(question.sender),
            recipients=[text(recipient) for recipient in question.recipients],
            score=question.score,
        )
        try:
            result = await self._batcher.ask(item, timeout)
        except RpcFailed as error:
            return question.unanswered(
                Outcome(CHECK, Status.TEMPERROR, detail=str(error), seconds=timeout)
            )
        return GreylistAnswer(
            tuple(outcome_of(one, CHECK) for one in result.recipients),
            seconds_of(result.wait_seconds),
        )

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self._batcher.aclose()

    async def _send(
        self, items: Sequence[pb.CheckItem], seconds: float
    ) -> Sequence[pb.CheckResult]:
        response = await call(self._method, pb.CheckRequest(items=items), timeout=seconds)
        return response.results


class MemoryGreylist:
    """Answers by a function, and remembers what it was asked."""

    def __init__(self, answer: Callable[[GreylistQuestion], GreylistAnswer] | None = None) -> None:
        """Answer by `answer`; without one nobody has to come back."""
        self._answer = answer
        self.asked: list[GreylistQuestion] = []

    async def check(self, question: GreylistQuestion, timeout: float) -> GreylistAnswer:
        """Return the function's answer at once."""
        del timeout
        self.asked.append(question)
        if self._answer is not None:
            return self._answer(question)
        return GreylistAnswer((Outcome(CHECK, Status.OK),) * len(question.recipients))
