"""Stream messages and values: queued mail in, progress in and out, notifications out."""

import re
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from mailweir.events.v1 import events_pb2 as events
from mailweir_core.ids import is_ref
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_delivery.policy.notice import Notice
from mailweir_delivery.policy.progress import Progress, Recipient, State
from mailweir_runtime import convert

MAX_RECIPIENTS: Final = 2000
"""The edge takes 1,000 at most; their progress must fit into a bus message."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_TO_PROTO: Final = {
    State.WAITING: events.DELIVERY_STATUS_UNSPECIFIED,
    State.DELIVERED: events.DELIVERY_STATUS_DELIVERED,
    State.DEFERRED: events.DELIVERY_STATUS_DEFERRED,
    State.FAILED: events.DELIVERY_STATUS_FAILED,
    State.EXPIRED: events.DELIVERY_STATUS_EXPIRED,
}
_FROM_PROTO: Final = {number: state for state, number in _TO_PROTO.items()}


@dataclass(frozen=True, slots=True)
class Queued:
    """A queued message. `content` is None where it lies in the body store under `body_key`."""

    envelope: Envelope
    content: bytes | None
    body_key: str
    body_bytes: int
    release: int
    about: str
    reason: str

    @property
    def ref(self) -> str:
        """Return its reference."""
        return self.envelope.ref

    @property
    def owns_body(self) -> bool:
        """Say whether the body is there for delivery alone; held mail belongs to quarantine."""
        return self.body_key.startswith("mail/")


class Undecodable(Exception):
    """Raised when a stream message is nothing that can be delivered."""


def read_mail(payload: bytes) -> Queued:
    """Return the queued mail in a stream message; raises Undecodable."""
    try:
        mail = events.QueuedMail.FromString(payload)
    except DecodeError as error:
        raise Undecodable(f"not a QueuedMail: {error}") from error
    envelope = convert.envelope_from_proto(mail.envelope)
    _check(envelope, mail)
    inline = not mail.HasField("body")
    return Queued(
        envelope=envelope,
        content=mail.content if inline else None,
        body_key=mail.body.key,
        body_bytes=mail.body.bytes,
        release=mail.release,
        about=mail.notification_about,
        reason=mail.reason,
    )


def _check(envelope: Envelope, mail: events.QueuedMail) -> None:
    if not is_ref(envelope.ref):
        raise Undecodable(f"no reference id: {envelope.ref[:60]!r}")
    if not 0 < len(envelope.recipients) <= MAX_RECIPIENTS:
        raise Undecodable(f"{len(envelope.recipients)} recipients")
    if not all(map(_is_path, (*envelope.recipients, envelope.sender or "null"))):
        raise Undecodable("an address that cannot stand in an SMTP command")
    if not mail.content and not mail.body.key:
        raise Undecodable("neither content nor body")


def _is_path(address: str) -> bool:
    # the edge has parsed it; here it matters that it cannot end the command
    return bool(address) and _CONTROL.search(address) is None


def read_progress(payload: bytes) -> Progress:
    """Return the progress in a stream message; raises Undecodable."""
    try:
        message = events.DeliveryProgress.FromString(payload)
    except DecodeError as error:
        raise Undecodable(f"not a DeliveryProgress: {error}") from error
    return Progress(
        ref=message.ref,
        release=message.release,
        recipients=tuple(map(_read_recipient, message.recipients)),
        attempts=message.attempts,
        next_attempt_at=message.next_attempt_at,
        at=message.at,
    )


def _read_recipient(message: events.RecipientProgress) -> Recipient:
    return Recipient(
        message.address,
        _FROM_PROTO.get(message.status, State.WAITING),
        message.next_hop,
        message.reply,
        message.enhanced,
        message.at,
        message.attempt,
    )


def write_progress(progress: Progress) -> bytes:
    """Return the stream message of a progress."""
    return events.DeliveryProgress(
        ref=progress.ref,
        recipients=map(_write_recipient, progress.recipients),
        attempts=progress.attempts,
        next_attempt_at=progress.next_attempt_at,
        finished=progress.finished,
        at=progress.at,
        release=progress.release,
    ).SerializeToString()


def _write_recipient(person: Recipient) -> events.RecipientProgress:
    return events.RecipientProgress(
        address=person.address,
        status=_TO_PROTO[person.state],
        next_hop=person.next_hop,
        reply=convert.text(person.reply),
        enhanced=person.enhanced,
        at=person.at,
        attempt=person.attempt,
    )


def write_notice(notice: Notice, content: bytes, envelope: Envelope) -> bytes:
    """Return the queued mail of a notification to the sender of `envelope`."""
    own = Session(id=notice.ref, listener=Listener.MX, client_ip="", connected_at=notice.at)
    message = Envelope(
        ref=notice.ref,
        session=own,
        sender="",
        recipients=(notice.sender,),
        received_at=notice.at,
        eight_bit=not content.isascii(),
        smtputf8=not notice.sender.isascii(),
        tenant=envelope.tenant,
    )
    return events.QueuedMail(
        envelope=convert.envelope_to_proto(message),
        content=content,
        action="accept",
        reason=Reason.EXEMPT,
        notification_about=notice.about,
    ).SerializeToString()
