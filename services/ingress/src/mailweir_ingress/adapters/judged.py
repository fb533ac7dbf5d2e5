"""Records and kept mail as protobuf."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.outcome import Outcome
from mailweir_ingress.checks import ABSENT
from mailweir_ingress.ports import Record, RecordKind
from mailweir_runtime.convert import outcome_to_proto, text

_KIND: Final[Mapping[RecordKind, "events_pb2.JudgedKind.ValueType"]] = MappingProxyType(
    {
        RecordKind.MESSAGE: events_pb2.JUDGED_KIND_MESSAGE,
        RecordKind.TRANSACTION: events_pb2.JUDGED_KIND_TRANSACTION,
        RecordKind.SESSION: events_pb2.JUDGED_KIND_SESSION,
    }
)
# The same in every record, so made once.
_ABSENT: Final = tuple((outcome, outcome_to_proto(outcome)) for outcome in ABSENT)


def judged(record: Record, envelope: common_pb2.Envelope, version: str) -> events_pb2.Judged:
    """Return a record as it travels; `envelope` is its envelope in that form."""
    decision, verdict = record.decision, record.verdict
    answer = verdict.record if verdict is not None else None
    return events_pb2.Judged(
        ref=record.envelope.ref,
        kind=_KIND[record.kind],
        envelope=envelope,
        action=decision.action,
        reason=decision.reason,
        reply=record.reply,
        bytes=record.bytes,
        verdict=answer if isinstance(answer, scoring_pb2.ScoreResult) else None,
        checks=[_outcome(outcome) for outcome in record.checks],
        refused=[
            events_pb2.RefusedRecipient(
                address=text(one.address),
                action=one.action,
                reason=one.reason,
                reply=text(one.reply),
            )
            for one in record.refused
        ],
        judged_at=record.judged_at,
        detail=text(decision.detail),
        version=version,
        config_version=record.config_version,
        count=record.count if record.count > 1 else 0,
    )


def _outcome(outcome: Outcome) -> common_pb2.Outcome:
    for known, ready in _ABSENT:
        if known is outcome:
            return ready
    return outcome_to_proto(outcome)


def queued(record: Record, envelope: common_pb2.Envelope) -> events_pb2.QueuedMail:
    """Return a kept message without its content."""
    decision = record.decision
    return events_pb2.QueuedMail(
        envelope=envelope,
        action=decision.action,
        reason=decision.reason,
        score=record.verdict.score if record.verdict is not None else 0.0,
    )
