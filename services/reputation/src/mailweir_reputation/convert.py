"""Values of this service to protobuf messages and back."""

import math
from typing import Final

from mailweir.reputation.v1 import reputation_pb2 as pb
from mailweir_reputation.policy.items import Item, Phase, Result
from mailweir_reputation.policy.lists.health import Watch, ZoneState
from mailweir_reputation.ports import Remembered
from mailweir_runtime.convert import (
    client_from_proto,
    client_to_proto,
    outcome_to_proto,
    session_from_proto,
    text,
)

_PHASES: Final = {
    pb.CHECK_PHASE_CONNECT: Phase.CONNECT,
    pb.CHECK_PHASE_MAIL: Phase.MAIL,
    pb.CHECK_PHASE_RCPT: Phase.RCPT,
}


def item_from_proto(message: pb.CheckItem) -> Item:
    """Return an item; raises KeyError for a phase that is not known."""
    return Item(
        phase=_PHASES[message.phase],
        session=session_from_proto(message.session),
        client=client_from_proto(message.client),
        sender=message.sender,
        recipients=tuple(message.recipients),
        with_sender=message.with_sender,
    )


def result_to_proto(result: Result) -> pb.CheckResult:
    """Return the message of a result."""
    return pb.CheckResult(
        outcome=outcome_to_proto(result.outcome),
        client=client_to_proto(result.client),
        valid_seconds=result.valid_seconds,
        recipients=[outcome_to_proto(outcome) for outcome in result.recipients],
    )


def entry_to_proto(entry: Remembered) -> pb.HistoryEntry:
    """Return the message of what is remembered under one key."""
    return pb.HistoryEntry(
        kind=text(entry.kind),
        key=text(entry.key),
        messages=entry.messages,
        spam=entry.spam,
        total_score=entry.total_score,
        seen_at=entry.seen_at,
    )


def zone_to_proto(watch: Watch, offset: float) -> pb.ZoneHealth:
    """Return the message of how a list fares; `offset` brings monotonic times to those of the wall."""
    silent = watch.state in (ZoneState.MUTED, ZoneState.DEAD)
    return pb.ZoneHealth(
        name=watch.zone.name,
        title=text(watch.zone.title),
        state=watch.state,
        remedy=watch.remedy,
        muted_until=watch.due_at + offset if silent else 0.0,
        queries=watch.queries,
        hits=watch.hits,
        errors=watch.errors,
        hit_share=watch.window.share,
        usual_share=watch.window.usual,
        median_seconds=watch.window.median_seconds,
        probed_at=watch.probed_at + offset if math.isfinite(watch.probed_at) else 0.0,
    )
