"""What travels in the streams, for tests: records, held mail, delivery's progress."""

import hashlib
from collections.abc import Sequence
from typing import Final

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.ids import message_ref, new_ulid

NOW: Final = 1_750_000_000.0
"""Where `ManualClock` begins."""
DELIVERED: Final = events_pb2.DELIVERY_STATUS_DELIVERED
DEFERRED: Final = events_pb2.DELIVERY_STATUS_DEFERRED
FAILED: Final = events_pb2.DELIVERY_STATUS_FAILED


def ref_of(number: int, at: float = NOW) -> str:
    """Return the reference of a test's `number`-th message, made at `at`; they sort by number."""
    return message_ref(new_ulid(at, lambda _: number), 1)


def envelope(
    ref: str,
    *,
    sender: str = "anna@example.net",
    recipients: Sequence[str] = ("bob@example.com",),
    received_at: float = NOW,
    client_ip: str = "192.0.2.1",
) -> common_pb2.Envelope:
    """Return an envelope with its session."""
    session = common_pb2.Session(
        id=ref.partition("-")[0],
        listener="mx",
        client_ip=client_ip,
        helo="mail.example.net",
        connected_at=received_at,
    )
    return common_pb2.Envelope(
        ref=ref,
        session=session,
        sender=sender,
        recipients=recipients,
        received_at=received_at,
        tenant="default",
    )


def verdict(subject: str = "Minutes of the meeting", score: float = 1.5) -> scoring_pb2.ScoreResult:
    """Return a content verdict with one signal and one stage."""
    return scoring_pb2.ScoreResult(
        status=common_pb2.STATUS_HIT,
        score=score,
        action="accept",
        reason="clean",
        signals=[
            common_pb2.Signal(
                name="SUBJECT_ALL_CAPS", score=score, group="headers",
                description="The subject has only capitals.", evidence=subject[:40],
            )
        ],
        stages=[scoring_pb2.StageReport(stage="parse", status=common_pb2.STATUS_OK, seconds=0.002)],
        config_version="v.1",
        rules_version="r1",
        subject=subject,
        message_id="<1@example.net>",
        from_address="anna@example.net",
    )  # fmt: skip


def judged(  # noqa: PLR0913 - one argument per field
    ref: str,
    *,
    action: str = "accept",
    reason: str = "clean",
    subject: str = "Minutes of the meeting",
    score: float = 1.5,
    size: int = 2000,
    of: common_pb2.Envelope | None = None,
) -> events_pb2.Judged:
    """Return the record of a judged message; `of`: its envelope, where the usual one will not do."""
    known = of or envelope(ref)
    return events_pb2.Judged(
        ref=ref,
        kind=events_pb2.JUDGED_KIND_MESSAGE,
        envelope=known,
        action=action,
        reason=reason,
        reply=f"250 2.0.0 OK [{ref}]",
        bytes=size,
        verdict=verdict(subject, score),
        checks=[
            common_pb2.Outcome(check="scoring", status=common_pb2.STATUS_HIT, seconds=0.012),
            common_pb2.Outcome(check="greylist", status=common_pb2.STATUS_SKIPPED),
        ],
        judged_at=known.received_at + 0.05,
        version="0.1.0",
        config_version="v.1",
    )


def held_mail(
    ref: str,
    content: bytes = b"Subject: held\r\n\r\nbody\r\n",
    of: common_pb2.Envelope | None = None,
) -> events_pb2.QueuedMail:
    """Return a message on its way into quarantine, its content inline."""
    return events_pb2.QueuedMail(
        envelope=of or envelope(ref),
        content=content,
        action="hold",
        reason="spam",
        score=9.0,
    )


def held_elsewhere(ref: str, key: str, content: bytes) -> events_pb2.QueuedMail:
    """Return a message on its way into quarantine whose content lies in the body store under `key`."""
    mail = held_mail(ref, b"")
    digest = hashlib.sha256(content).hexdigest()
    mail.body.CopyFrom(common_pb2.BodyRef(key=key, bytes=len(content), sha256=digest))
    return mail


def progress(  # noqa: PLR0913 - one argument per field
    ref: str,
    status: events_pb2.DeliveryStatus.ValueType = DELIVERED,
    *,
    address: str = "bob@example.com",
    attempts: int = 1,
    release: int = 0,
    finished: bool = True,
    at: float = NOW + 1,
) -> events_pb2.DeliveryProgress:
    """Return where delivery to one recipient stands."""
    recipient = events_pb2.RecipientProgress(
        address=address, status=status, next_hop="127.0.0.1:25", reply="250 OK", enhanced="2.0.0",
        at=at, attempt=attempts,
    )  # fmt: skip
    return events_pb2.DeliveryProgress(
        ref=ref,
        recipients=[recipient],
        attempts=attempts,
        finished=finished,
        at=at,
        release=release,
    )
