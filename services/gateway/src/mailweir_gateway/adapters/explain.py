"""A record as the quarantine tells it, as REST shows it."""

from collections.abc import Iterable
from typing import Final

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.quarantine.v1 import quarantine_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.clock import rfc3339
from mailweir_gateway.models.messages import (
    ActionShape,
    CheckShape,
    DeliveryShape,
    LookupShape,
    MessageDetail,
    MessageItem,
    RefusedShape,
    SessionShape,
    SignalShape,
    StageShape,
    ThresholdsShape,
    VersionsShape,
)

_LATEST: Final = 253_402_300_799.0  # the last second of the year 9999
_STATUS: Final = {
    common_pb2.STATUS_OK: "ok",
    common_pb2.STATUS_HIT: "hit",
    common_pb2.STATUS_TEMPERROR: "temperror",
    common_pb2.STATUS_SKIPPED: "skipped",
}
_KIND: Final = {
    events_pb2.JUDGED_KIND_MESSAGE: "message",
    events_pb2.JUDGED_KIND_TRANSACTION: "transaction",
    events_pb2.JUDGED_KIND_SESSION: "session",
}
_DELIVERY: Final = {
    events_pb2.DELIVERY_STATUS_DELIVERED: "delivered",
    events_pb2.DELIVERY_STATUS_DEFERRED: "deferred",
    events_pb2.DELIVERY_STATUS_FAILED: "failed",
    events_pb2.DELIVERY_STATUS_EXPIRED: "expired",
}


def item(summary: quarantine_pb2.MessageSummary) -> MessageItem:
    """Return a record as a list shows it."""
    return MessageItem(**_item(summary))


def action(result: quarantine_pb2.ActionResult) -> ActionShape:
    """Return what became of a command for one message."""
    return ActionShape(id=result.id, state=result.state, done=result.done, detail=result.detail)


def detail(found: quarantine_pb2.GetResponse) -> MessageDetail:
    """Return one record with its explanation."""
    judged, verdict, progress = found.judged, found.judged.verdict, found.delivery
    known = judged.envelope.HasField("session")
    return MessageDetail(
        **_item(found.summary),
        kind=_KIND.get(judged.kind, ""),
        judged_at=time(judged.judged_at),
        reply=judged.reply,
        detail=judged.detail or verdict.detail,
        from_address=verdict.from_address,
        message_id=verdict.message_id,
        session=_session(judged.envelope.session) if known else None,
        checks=tuple(_check(outcome) for outcome in judged.checks),
        stages=tuple(_stage(stage) for stage in verdict.stages),
        signals=_signals(verdict.signals),
        counterfactual=tuple(verdict.counterfactual),
        lookups=_lookups(verdict.lookups),
        thresholds=_thresholds(verdict),
        versions=VersionsShape(
            program=judged.version,
            config=judged.config_version or verdict.config_version,
            rules=verdict.rules_version,
            model=verdict.model_version,
        ),
        skipped=_skipped(judged),
        refused=tuple(
            RefusedShape(address=r.address, action=r.action, reason=r.reason, reply=r.reply)
            for r in judged.refused
        ),
        deliveries=tuple(_delivery(r) for r in progress.recipients),
        delivery_attempts=progress.attempts,
        next_attempt_at=time(progress.next_attempt_at),
        release=progress.release,
    )


def time(timestamp: float) -> str | None:
    """Return seconds since the epoch as RFC 3339, None for 0 and for what is no time."""
    return rfc3339(timestamp) if 0 < timestamp <= _LATEST else None


def _item(summary: quarantine_pb2.MessageSummary) -> dict[str, object]:
    return {
        "id": summary.id,
        "received_at": time(summary.received_at) or rfc3339(0.0),
        "client_ip": summary.client_ip,
        "helo": summary.helo,
        "sender": summary.sender,
        "recipients": tuple(summary.recipients),
        "subject": summary.subject,
        "bytes": summary.bytes,
        "score": summary.score,
        "action": summary.action,
        "reason": summary.reason,
        "state": summary.state,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _session(session: common_pb2.Session) -> SessionShape:
    return SessionShape(
        id=session.id,
        listener=session.listener,
        client_ip=session.client_ip,
        client_port=session.client_port,
        proxy_ip=session.proxy_ip,
        helo=session.helo,
        esmtp=session.esmtp,
        tls_version=session.tls_version,
        tls_cipher=session.tls_cipher,
        auth_user=session.auth_user,
        trusted=session.trusted,
        connected_at=time(session.connected_at),
    )


def _check(outcome: common_pb2.Outcome) -> CheckShape:
    return CheckShape(
        check=outcome.check,
        status=_STATUS.get(outcome.status, "temperror"),
        advice=outcome.advice,
        reason=outcome.reason,
        detail=outcome.detail,
        ms=_ms(outcome.seconds),
        signals=_signals(outcome.signals),
        lookups=_lookups(outcome.lookups),
    )


def _lookups(lookups: Iterable[common_pb2.Lookup]) -> tuple[LookupShape, ...]:
    return tuple(
        LookupShape(kind=x.kind, question=x.question, answer=x.answer, ms=_ms(x.seconds))
        for x in lookups
    )


def _signals(signals: Iterable[common_pb2.Signal]) -> tuple[SignalShape, ...]:
    return tuple(
        SignalShape(
            name=s.name,
            score=s.score,
            group=s.group,
            description=s.description,
            evidence=s.evidence,
        )
        for s in signals
    )


def _stage(stage: scoring_pb2.StageReport) -> StageShape:
    status = _STATUS.get(stage.status, "temperror")
    return StageShape(stage=stage.stage, status=status, ms=_ms(stage.seconds), detail=stage.detail)


def _thresholds(verdict: scoring_pb2.ScoreResult) -> ThresholdsShape | None:
    if not verdict.HasField("thresholds"):
        return None
    held = verdict.thresholds
    return ThresholdsShape(
        tag=held.tag if held.HasField("tag") else None,
        quarantine=held.quarantine if held.HasField("quarantine") else None,
        reject=held.reject if held.HasField("reject") else None,
    )


def _skipped(judged: events_pb2.Judged) -> tuple[str, ...]:
    checks = [c.check for c in judged.checks if c.status == common_pb2.STATUS_SKIPPED]
    stages = [s.stage for s in judged.verdict.stages if s.status == common_pb2.STATUS_SKIPPED]
    return (*checks, *stages)


def _delivery(recipient: events_pb2.RecipientProgress) -> DeliveryShape:
    return DeliveryShape(
        recipient=recipient.address,
        status=_DELIVERY.get(recipient.status, "untried"),
        next_hop=recipient.next_hop,
        reply=recipient.reply,
        enhanced=recipient.enhanced,
        attempt=recipient.attempt,
        at=time(recipient.at),
    )
