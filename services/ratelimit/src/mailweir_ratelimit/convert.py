"""Questions and answers as their protos."""

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb
from mailweir_ratelimit.policy.question import Answer, Phase, Question
from mailweir_ratelimit.policy.usage import Usage
from mailweir_ratelimit.reporting import BucketState
from mailweir_runtime.convert import (
    client_from_proto,
    outcome_to_proto,
    session_from_proto,
    text,
)

_PHASES = {
    pb.CHECK_PHASE_CONNECT: Phase.CONNECT,
    pb.CHECK_PHASE_RCPT: Phase.RCPT,
    pb.CHECK_PHASE_MESSAGE: Phase.MESSAGE,
}


def question_from_proto(item: pb.CheckItem) -> Question | None:
    """Return the question of a message; None for a phase that this version does not know."""
    phase = _PHASES.get(item.phase)
    if phase is None:
        return None
    return Question(
        phase=phase,
        session=session_from_proto(item.session),
        client=client_from_proto(item.client),
        sender=item.sender,
        recipients=tuple(item.recipients),
        ref=item.ref,
        size=item.bytes,
        score=item.score,
    )


def answer_to_proto(answer: Answer) -> pb.CheckResult:
    """Return the message of an answer."""
    return pb.CheckResult(
        outcome=outcome_to_proto(answer.outcome),
        recipients=[outcome_to_proto(one) for one in answer.recipients],
    )


def usage_to_proto(usage: Usage) -> pb.Usage:
    """Return the message of one unit's usage."""
    return pb.Usage(
        subject=text(usage.allowance.subject),
        kind=usage.allowance.kind,
        unit=usage.unit,
        used=usage.used,
        limit=usage.limit,
        source=text(usage.allowance.source),
        held=usage.held,
        next_at=usage.next_at,
    )


def bucket_to_proto(state: BucketState) -> pb.BucketState:
    """Return the message of a bucket."""
    return pb.BucketState(
        limit=state.limit,
        key=text(state.value),
        unit=state.unit,
        used=state.used,
        capacity=state.capacity,
        empty_at=state.empty_at,
    )
