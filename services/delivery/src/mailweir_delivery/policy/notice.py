"""Delivery status notifications: who is told, and the message that tells (RFC 3464, 6522, 6533, 3834).

A notification is 7-bit throughout but for the `To` of a sender whose address is not ASCII. It returns
the header of the original, never its content.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from mailweir_core.ids import new_ulid
from mailweir_delivery.policy.progress import Recipient, State

MAX_RETURNED_BYTES: Final = 65_536
"""Header bytes of the original that are returned; cut at a line."""
MAX_LISTED: Final = 500
"""Recipients that are listed one by one."""
MAX_LINE_BYTES: Final = 998  # RFC 5322 §2.1.1

_SMTP_REPLY: Final = re.compile(r"[245]\d\d(?: |$)")
_PLAIN: Final = re.compile(rb"[\t\n\x20-\x7e]*")
_PLAIN_ADDRESS: Final = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")  # RFC 6533 QCHAR


@dataclass(frozen=True, slots=True)
class Notice:
    """Everything that a notification is made of; times in seconds since the epoch."""

    ref: str
    about: str
    hostname: str
    postmaster: str
    sender: str
    lost: tuple[Recipient, ...]
    arrived_at: float
    at: float
    original: bytes


def wants_notice(sender: str, about: str, *, enabled: bool) -> bool:
    """Say whether anybody is told: never the null sender, never about a notification."""
    return enabled and bool(sender) and not about


def notice_ref(ref: str, release: int, attempt: int, at: float) -> str:
    """Return the notification's own reference: the same for the same failure, so that it is sent once."""
    digest = sha256(f"{ref}.{release}.{attempt}".encode()).digest()
    return new_ulid(at, lambda bits: int.from_bytes(digest[: bits // 8]))


def notice_id(ref: str, release: int, attempt: int) -> str:
    """Return the publish's dedup id."""
    return f"dsn-{ref}-{release}.{attempt}"


def build(notice: Notice) -> bytes:
    """Return the notification, CRLF line ends, ready for the stream."""
    boundary = f"=_{notice.ref}"
    parts = (_explanation(notice), _status(notice), _returned(notice.original))
    body = b"".join(b"--%s\n%s\n" % (boundary.encode(), part) for part in parts)
    message = _header(notice, boundary).encode() + b"\n" + body + b"--%s--\n" % boundary.encode()
    return message.replace(b"\n", b"\r\n")


def header_of(content: bytes) -> bytes:
    """Return a message's header with LF line ends, no more than MAX_RETURNED_BYTES of it."""
    head = content[:MAX_RETURNED_BYTES]
    ends = [i for i in (head.find(b"\r\n\r\n"), head.find(b"\n\n")) if i >= 0]
    if ends:
        head = head[: min(ends)]
    elif len(content) > len(head):
        head = head[: head.rfind(b"\n") + 1]
    return head.replace(b"\r\n", b"\n").replace(b"\r", b" ").rstrip(b"\n") + b"\n"


def _date(timestamp: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(timestamp), UTC))


def _header(notice: Notice, boundary: str) -> str:
    return "".join(
        f"{name}: {value}\n"
        for name, value in (
            ("Date", _date(notice.at)),
            ("From", f"Mail Delivery System <{notice.postmaster}>"),
            ("To", f"<{notice.sender}>"),
            ("Subject", "Your message could not be delivered"),
            ("Message-ID", f"<{notice.ref}@{notice.hostname}>"),
            ("X-Mailweir-Id", notice.ref),
            ("Auto-Submitted", "auto-replied"),
            ("MIME-Version", "1.0"),
            (
                "Content-Type",
                f'multipart/report; report-type=delivery-status;\n boundary="{boundary}"',
            ),
        )
    )


def _part(content_type: str, body: bytes) -> bytes:
    lines_fit = all(len(line) <= MAX_LINE_BYTES for line in body.split(b"\n"))
    encoding = b"7bit"
    if not (lines_fit and _PLAIN.fullmatch(body)):
        body, encoding = b2a_qp(body), b"quoted-printable"
    head = b"Content-Type: %s\nContent-Transfer-Encoding: %s\n\n"
    return head % (content_type.encode(), encoding) + body


def _explanation(notice: Notice) -> bytes:
    lines = [
        f"This is the mail gateway {notice.hostname}.",
        "",
        "Your message could not be delivered to these recipients, and will not be tried again:",
        "",
        *(line for person in notice.lost[:MAX_LISTED] for line in _reason(person)),
        *([f"and {over} more."] if (over := len(notice.lost) - MAX_LISTED) > 0 else ()),
        "",
        f"Reference: {notice.about}",
        f"Contact: {notice.postmaster}",
        "",
    ]
    return _part("text/plain; charset=utf-8", "\n".join(lines).encode())


def _reason(person: Recipient) -> Iterable[str]:
    yield f"<{person.address}>"
    if person.state is State.EXPIRED:
        yield "    It could not be delivered in time. What happened last:"
    at = f"{person.next_hop} said: " if _SMTP_REPLY.match(person.reply) else ""
    yield f"    {at}{person.reply}"


def _status(notice: Notice) -> bytes:
    # RFC 3464 §2.1: 7-bit; the utf-8 address type stands in its ASCII form (RFC 6533 §3)
    blocks = [
        f"Reporting-MTA: dns; {notice.hostname}\n"
        f"X-Mailweir-Id: {notice.about}\n"
        f"Arrival-Date: {_date(notice.arrived_at)}\n"
    ]
    blocks += map(_recipient_fields, notice.lost[:MAX_LISTED])
    return _part("message/delivery-status", "\n".join(blocks).encode("ascii", "replace"))


def _recipient_fields(person: Recipient) -> str:
    fields = [
        f"Final-Recipient: {_typed_address(person.address)}",
        "Action: failed",
        f"Status: {person.enhanced}",
    ]
    if _SMTP_REPLY.match(person.reply):
        fields.append(f"Remote-MTA: dns; {person.next_hop.rpartition(':')[0].strip('[]')}")
        fields.append(f"Diagnostic-Code: smtp; {person.reply}")
    else:
        fields.append(f"Diagnostic-Code: X-Mailweir; {person.reply}")
    fields.append(f"Last-Attempt-Date: {_date(person.at)}")
    return "".join(f"{field}\n" for field in fields)


def _typed_address(address: str) -> str:
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + _PLAIN_ADDRESS.sub(lambda m: f"\\x{{{ord(m.group()):X}}}", address)


def _returned(original: bytes) -> bytes:
    return _part("text/rfc822-headers", header_of(original))
