"""From the record of a judged message, as it travels, to what a history takes of it."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_reputation.policy.acquaintance import ALLOW_LISTED, OWN_SIGNALS
from mailweir_reputation.policy.history.deeds import Judgement

_PROOFS = frozenset({"SPF_PASS", "DKIM_VALID"})
"""Signals of the content's scoring whose evidence begins with the domain that was proven."""


def judgement_of(payload: bytes) -> Judgement:
    """Return a judgement; raises ValueError for what is no judged event."""
    try:
        event = events_pb2.Judged.FromString(payload)
    except DecodeError as error:
        raise ValueError("not a judged event") from error
    envelope = event.envelope
    session = envelope.session
    ours = session.trusted or bool(session.auth_user) or session.listener != Listener.MX
    verdict = event.verdict if event.HasField("verdict") else None
    return Judgement(
        ref=event.ref,
        message=event.kind == events_pb2.JUDGED_KIND_MESSAGE,
        ours=ours,
        client_ip=session.client_ip,
        helo=session.helo,
        sender=envelope.sender,
        recipients=tuple(envelope.recipients),
        action=event.action,
        reason=event.reason,
        at=event.judged_at,
        score=None if verdict is None else _score(verdict),
        spam_from=None if verdict is None else _spam_from(verdict.thresholds),
        tag_from=verdict.thresholds.tag if verdict and verdict.thresholds.HasField("tag") else None,
        proven_domains=frozenset(() if verdict is None else _proven(verdict)),
        allowed=event.reason == Reason.EXEMPT or ALLOW_LISTED in _said(event),
    )


def _score(verdict: scoring_pb2.ScoreResult) -> float:
    """Return the score without what we ourselves said of the client."""
    own = sum(signal.score for signal in verdict.signals if signal.name in OWN_SIGNALS)
    return verdict.score - own


def _spam_from(thresholds: scoring_pb2.Thresholds) -> float | None:
    """Return the score from which a message is held or refused."""
    held = [thresholds.quarantine] if thresholds.HasField("quarantine") else []
    refused = [thresholds.reject] if thresholds.HasField("reject") else []
    return min(held + refused, default=None)


def _proven(verdict: scoring_pb2.ScoreResult) -> Iterator[str]:
    for signal in verdict.signals:
        if signal.name in _PROOFS and signal.evidence:
            yield signal.evidence.split()[0].lower()


def _said(event: events_pb2.Judged) -> Iterator[str]:
    for check in event.checks:
        for signal in check.signals:
            yield signal.name
    for signal in event.verdict.signals:
        yield signal.name
