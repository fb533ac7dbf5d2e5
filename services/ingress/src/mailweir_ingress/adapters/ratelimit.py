"""The ratelimit service over gRPC, several questions to a call; and one in memory."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import grpc.aio

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb
from mailweir_core.bans import MAX_EVIDENCE, Ban, OffenceKind
from mailweir_core.outcome import Outcome, Status
from mailweir_ingress.adapters.answers import batcher, outcome_of
from mailweir_ingress.ports import Offence, RatelimitAnswer, RatelimitQuestion, Stage
from mailweir_runtime.convert import client_to_proto, session_to_proto, text
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import Batcher, RpcFailed, call

CHECK_METHOD: Final = "/mailweir.ratelimit.v1.RatelimitService/Check"
REPORT_METHOD: Final = "/mailweir.ratelimit.v1.RatelimitService/Report"
CHECK: Final = "ratelimit"

_PHASES: Final[Mapping[Stage, "pb.CheckPhase.ValueType"]] = MappingProxyType(
    {
        Stage.CONNECT: pb.CHECK_PHASE_CONNECT,
        Stage.RCPT: pb.CHECK_PHASE_RCPT,
        Stage.MESSAGE: pb.CHECK_PHASE_MESSAGE,
    }
)
_log = get_logger(__name__)


class GrpcRatelimit:
    """Asks the ratelimit service, and reports to it; neither is tried again, since both count."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Speak over a channel, which the caller closes after `aclose`."""
        self._check: grpc.aio.UnaryUnaryMultiCallable[pb.CheckRequest, pb.CheckResponse]
        self._check = channel.unary_unary(
            CHECK_METHOD,
            request_serializer=pb.CheckRequest.SerializeToString,
            response_deserializer=pb.CheckResponse.FromString,
        )
        self._report: grpc.aio.UnaryUnaryMultiCallable[pb.ReportRequest, pb.ReportResponse]
        self._report = channel.unary_unary(
            REPORT_METHOD,
            request_serializer=pb.ReportRequest.SerializeToString,
            response_deserializer=pb.ReportResponse.FromString,
        )
        self._questions: Batcher[pb.CheckItem, pb.CheckResult]
        self._questions = batcher(self._ask)
        self._offences: Batcher[pb.Offence, pb.Standing]
        self._offences = batcher(self._tell)

    async def check(self, question: RatelimitQuestion, timeout: float) -> RatelimitAnswer:
        """Return the answer, or what stands for one that could not be had in time."""
        item = pb.CheckItem(
            phase=_PHASES[question.stage],
            session=session_to_proto(question.session),
            client=client_to_proto(question.client),
            sender=text(question.sender),
            recipients=[text(recipient) for recipient in question.recipients],
            ref=question.ref,
            bytes=question.bytes,
            score=question.score,
        )
        try:
            result = await self._questions.ask(item, timeout)
        except RpcFailed as error:
            return question.unanswered(
                Outcome(CHECK, Status.TEMPERROR, detail=str(error), seconds=timeout)
            )
        return RatelimitAnswer(
            outcome_of(result.outcome, CHECK),
            tuple(outcome_of(one, CHECK) for one in result.recipients),
        )

    async def report(self, offence: Offence, timeout: float) -> Ban | None:
        """Report an offence; a report that fails is logged."""
        item = pb.Offence(
            kind=offence.kind,
            client_ip=offence.client_ip,
            proxy_ip=offence.proxy_ip,
            login=text(offence.login),
            ref=offence.ref,
            evidence=text(offence.evidence)[:MAX_EVIDENCE],
            count=offence.count,
            measure=offence.measure,
            allowed=offence.allowed,
        )
        try:
            standing = await self._offences.ask(item, timeout)
        except RpcFailed as error:
            _log.warning("offence_unreported", kind=offence.kind, detail=str(error))
            return None
        return ban_from_proto(standing.ban) if standing.HasField("ban") else None

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self._questions.aclose()
        await self._offences.aclose()

    async def _ask(self, items: Sequence[pb.CheckItem], seconds: float) -> Sequence[pb.CheckResult]:
        response = await call(self._check, pb.CheckRequest(items=items), timeout=seconds)
        return response.results

    async def _tell(self, items: Sequence[pb.Offence], seconds: float) -> Sequence[pb.Standing]:
        response = await call(self._report, pb.ReportRequest(offences=items), timeout=seconds)
        return response.standings


def ban_from_proto(message: pb.Ban) -> Ban | None:
    """Return the ban of a message; None for one that we do not understand."""
    try:
        kind = OffenceKind(message.kind)
    except ValueError:
        return None
    if not message.subject or not (math.isfinite(message.since) and math.isfinite(message.until)):
        return None
    return Ban(
        subject=message.subject,
        kind=kind,
        evidence=message.evidence,
        since=message.since,
        until=message.until,
        strikes=message.strikes,
        close_all=message.close_all,
        by=message.by,
    )


class MemoryRatelimit:
    """Answers by functions, and remembers what it was asked and told."""

    def __init__(
        self,
        answer: Callable[[RatelimitQuestion], RatelimitAnswer] | None = None,
        standing: Callable[[Offence], Ban | None] | None = None,
    ) -> None:
        """Answer by `answer`, ban by `standing`; without them nothing is too much."""
        self._answer = answer
        self._standing = standing
        self.asked: list[RatelimitQuestion] = []
        self.offences: list[Offence] = []

    async def check(self, question: RatelimitQuestion, timeout: float) -> RatelimitAnswer:
        """Return the function's answer at once."""
        del timeout
        self.asked.append(question)
        if self._answer is not None:
            return self._answer(question)
        fine = Outcome(CHECK, Status.OK)
        some = question.recipients if question.stage is Stage.RCPT else ()
        return RatelimitAnswer(fine, (fine,) * len(some))

    async def report(self, offence: Offence, timeout: float) -> Ban | None:
        """Return the function's ban at once."""
        del timeout
        self.offences.append(offence)
        return self._standing(offence) if self._standing is not None else None
