"""What travels in the streams, to and from our values. The only place that reads those messages."""

import zlib
from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir_quarantine.policy.progress import Progress, Recipient, Status
from mailweir_quarantine.policy.text import (
    MAX_ADDRESS,
    MAX_BYTES,
    MAX_HELO,
    MAX_IP,
    MAX_RECIPIENTS,
    MAX_SUBJECT,
    MAX_WORD,
    clean,
    finite,
    is_storable_ref,
    time_of,
)
from mailweir_quarantine.values import Facts, HeldMail, Outgoing, Record
from mailweir_runtime.bus.ports import StoredBody

M = TypeVar("M", bound=Message)
MAX_UNPACKED_BYTES: Final = 16 * 1024 * 1024
_LEVEL: Final = 1  # a third of the time of the default for nine tenths of its effect on records

_KINDS: Final = frozenset(
    {
        events_pb2.JUDGED_KIND_MESSAGE,
        events_pb2.JUDGED_KIND_TRANSACTION,
        events_pb2.JUDGED_KIND_SESSION,
    }
)
_STATUS: Final = {
    events_pb2.DELIVERY_STATUS_DELIVERED: Status.DELIVERED,
    events_pb2.DELIVERY_STATUS_DEFERRED: Status.DEFERRED,
    events_pb2.DELIVERY_STATUS_FAILED: Status.FAILED,
    events_pb2.DELIVERY_STATUS_EXPIRED: Status.EXPIRED,
}
_STATUS_TO_PROTO: Final = {ours: theirs for theirs, ours in _STATUS.items()}


class Undecodable(Exception):
    """Raised for a stream message that is not what its subject promises."""


@dataclass(frozen=True, slots=True)
class ArrivedMail:
    """A message for quarantine as it came: its content inline, or where it lies."""

    facts: Facts
    content: bytes
    stored: StoredBody | None
    mail: bytes

    def held(self, body: StoredBody, shard: str) -> HeldMail:
        """Return it with its body in our store."""
        return HeldMail(self.facts, body, shard, self.mail)


def record_from(payload: bytes) -> Record:
    """Return the record in a payload of the stream JUDGED; raises Undecodable."""
    judged = _parsed(events_pb2.Judged(), payload)
    ref = _ref(judged.ref)
    fallback = time_of(ref, finite(judged.judged_at))
    refused = [clean(r.address, MAX_ADDRESS) for r in judged.refused[:MAX_RECIPIENTS]]
    return Record(
        facts=_facts(
            ref, judged.envelope, fallback,
            size=judged.bytes, score=judged.verdict.score, action=judged.action, reason=judged.reason,
        ),
        kind=judged.kind if judged.kind in _KINDS else events_pb2.JUDGED_KIND_MESSAGE,
        subject=clean(judged.verdict.subject, MAX_SUBJECT),
        refused=tuple(refused),
        judged=zlib.compress(payload, _LEVEL),
        judged_at=finite(judged.judged_at),
    )  # fmt: skip


def unpacked(judged: bytes) -> events_pb2.Judged:
    """Return a record as judged from its packed form; raises Undecodable."""
    try:
        payload = zlib.decompressobj().decompress(judged, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise Undecodable("the stored record is damaged") from error
    return _parsed(events_pb2.Judged(), payload)


def mail_from(payload: bytes) -> ArrivedMail:
    """Return the message in a payload of the stream MAIL; raises Undecodable."""
    mail = _parsed(events_pb2.QueuedMail(), payload)
    ref = _ref(mail.envelope.ref)
    content, stored = mail.content, None
    if mail.HasField("body"):
        stored = StoredBody(mail.body.key, mail.body.bytes, mail.body.sha256)
    size = stored.bytes if stored else len(content)
    facts = _facts(
        ref, mail.envelope, time_of(ref, 0.0),
        size=size, score=mail.score, action=mail.action, reason=mail.reason,
    )  # fmt: skip
    mail.ClearField("content")
    mail.ClearField("body")
    return ArrivedMail(facts, content, stored, mail.SerializeToString())


def released(outgoing: Outgoing) -> bytes:
    """Return the payload that hands a released message over to delivery."""
    mail = events_pb2.QueuedMail.FromString(outgoing.mail)
    body = outgoing.body
    mail.body.CopyFrom(
        common_pb2.BodyRef(key=body.key, bytes=body.bytes, sha256=body.sha256),
    )
    mail.release = outgoing.release
    return mail.SerializeToString()


def release_in(payload: bytes | None) -> int:
    """Return which release a payload of MAIL is, 0 for a first pass, -1 where there is no payload."""
    return -1 if payload is None else events_pb2.QueuedMail.FromString(payload).release


def progress_from(payload: bytes) -> Progress:
    """Return the progress in a payload of the stream DELIVERY; raises Undecodable."""
    progress = _parsed(events_pb2.DeliveryProgress(), payload)
    return Progress(
        ref=_ref(progress.ref),
        release=progress.release,
        attempts=progress.attempts,
        finished=progress.finished,
        next_attempt_at=finite(progress.next_attempt_at),
        at=finite(progress.at),
        recipients=tuple(_recipient(r) for r in progress.recipients),
    )


def _recipient(recipient: events_pb2.RecipientProgress) -> Recipient:
    return Recipient(
        address=recipient.address,
        status=_STATUS.get(recipient.status, Status.UNTRIED),
        at=finite(recipient.at),
        attempt=recipient.attempt,
        next_hop=recipient.next_hop,
        reply=recipient.reply,
        enhanced=recipient.enhanced,
    )


def progress_to(progress: Progress) -> events_pb2.DeliveryProgress:
    """Return progress as it travels."""
    return events_pb2.DeliveryProgress(
        ref=progress.ref,
        release=progress.release,
        attempts=progress.attempts,
        finished=progress.finished,
        next_attempt_at=progress.next_attempt_at,
        at=progress.at,
        recipients=[
            events_pb2.RecipientProgress(
                address=r.address,
                status=_STATUS_TO_PROTO.get(r.status, events_pb2.DELIVERY_STATUS_UNSPECIFIED),
                at=r.at,
                attempt=r.attempt,
                next_hop=r.next_hop,
                reply=r.reply,
                enhanced=r.enhanced,
            )
            for r in progress.recipients
        ],
    )


def _facts(  # noqa: PLR0913 - the two messages share these by name, not by type
    ref: str, envelope: common_pb2.Envelope, fallback: float,
    *, size: int, score: float, action: str, reason: str,
) -> Facts:  # fmt: skip
    session = envelope.session
    recipients = [clean(r, MAX_ADDRESS) for r in envelope.recipients[:MAX_RECIPIENTS]]
    return Facts(
        ref=ref,
        received_at=finite(envelope.received_at) or finite(session.connected_at) or fallback,
        client_ip=clean(session.client_ip, MAX_IP),
        helo=clean(session.helo, MAX_HELO),
        sender=clean(envelope.sender, MAX_ADDRESS),
        recipients=tuple(recipients),
        bytes=min(size, MAX_BYTES),
        score=finite(score),
        action=clean(action, MAX_WORD),
        reason=clean(reason, MAX_WORD),
    )


def _parsed(message: M, payload: bytes) -> M:
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise Undecodable(f"not a {type(message).__name__}: {error}") from error
    return message


def _ref(ref: str) -> str:
    if not is_storable_ref(ref):
        raise Undecodable(f"not a reference: {ref[:80]!r}")
    return ref
