"""The Received field that we put on top (RFC 5321 §4.4, keywords of RFC 3848 and RFC 6531 §4.3)."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_core.record import Envelope, Session

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
# What may stand behind `from` as it is; any other name goes into a comment, cleaned.
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9:.]{3,50}\]")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.:_@\[\] -]")
_MAX_NAME: Final = 100


@lru_cache(maxsize=64)
def rfc5322_date(timestamp: int) -> str:
    """Return `timestamp` (seconds since the epoch) as a date of RFC 5322 §3.3, in UTC."""
    at = datetime.fromtimestamp(timestamp, UTC)
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} "
        f"{at.hour:02d}:{at.minute:02d}:{at.second:02d} +0000"
    )


def protocol(session: Session, *, smtputf8: bool) -> str:
    """Return the `with` keyword: SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTPSA, ..."""
    if not session.esmtp:
        return "SMTP"
    base = "UTF8SMTP" if smtputf8 else "ESMTP"
    return f"{base}{'S' if session.tls_version else ''}{'A' if session.auth_user else ''}"


def received(envelope: Envelope, hostname: str) -> bytes:
    """Return the field with CRLF line ends. Who authenticated is not in it; the record says that."""
    session = envelope.session
    lines = [f"Received: from {_origin(session)}"]
    if session.tls_version:
        lines.append(f"\t(using {session.tls_version} with cipher {session.tls_cipher})")
    how = protocol(session, smtputf8=envelope.smtputf8)
    lines.append(f"\tby {hostname} (Mailweir) with {how} id {envelope.ref}")
    date = rfc5322_date(int(envelope.received_at))
    if len(envelope.recipients) == 1:
        lines.append(f"\tfor <{envelope.recipients[0]}>; {date}")
    else:
        lines[-1] += ";"
        lines.append(f"\t{date}")
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def _origin(session: Session) -> str:
    address = parse_ip(session.client_ip)
    if address is None:
        literal = "[unknown]"
    else:
        literal = f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"
    if not session.helo:
        return f"unknown ({literal})"
    if _HOST.fullmatch(session.helo):
        return f"{session.helo} ({literal})"
    cleaned = _UNSAFE.sub("?", session.helo)[:_MAX_NAME]
    return f"unknown ({literal}) (HELO {cleaned})"
