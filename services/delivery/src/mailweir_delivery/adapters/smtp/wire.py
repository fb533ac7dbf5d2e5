"""SMTP on the wire: replies out of bytes, commands and content into bytes (RFC 5321, 1870, 6152, 6531)."""

import re
from collections.abc import Sequence
from typing import Final

from mailweir_delivery.policy.replies import RemoteReply
from mailweir_delivery.ports import Parcel

MAX_LINE_BYTES: Final = 8192
"""Longest line of a reply; RFC 5321 asks for 512."""
MAX_REPLY_LINES: Final = 200
"""Lines of one reply."""

_HEAD: Final = re.compile(rb"([1-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ANY_NEWLINE: Final = re.compile(rb"\r\n|\r|\n")


class WireError(Exception):
    """Raised when the other side does not speak SMTP."""


class ReplyParser:
    """Collects whole replies from what arrives, in bounded memory."""

    __slots__ = ("_buffer", "_lines")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = b""
        self._lines: list[str] = []

    @property
    def empty(self) -> bool:
        """Say whether no part of a reply waits for its rest."""
        return not self._buffer and not self._lines

    def feed(self, data: bytes) -> list[RemoteReply]:
        """Return the replies that are complete with this; raises WireError."""
        lines = (self._buffer + data).split(b"\n") if self._buffer else data.split(b"\n")
        self._buffer = lines.pop()
        if len(self._buffer) > MAX_LINE_BYTES:
            raise WireError("a reply line is too long")
        replies = [self._line(line.rstrip(b"\r")) for line in lines]
        return [reply for reply in replies if reply is not None]

    def _line(self, line: bytes) -> RemoteReply | None:
        head = _HEAD.fullmatch(line)
        if head is None or len(line) > MAX_LINE_BYTES or len(self._lines) >= MAX_REPLY_LINES:
            raise WireError(f"not a reply: {line[:60]!r}")
        code, mark, text = head.groups()
        self._lines.append((text or b"").decode("utf-8", "replace"))
        if mark == b"-":
            return None
        reply = RemoteReply(int(code), tuple(self._lines))
        self._lines = []
        return reply


def extensions(reply: RemoteReply) -> dict[str, str]:
    """Return what a reply to EHLO offers: keyword in upper case → its parameters."""
    offered = {}
    for line in reply.lines[1:]:
        keyword, _, rest = line.strip().partition(" ")
        offered[keyword.upper()] = rest.strip()
    return offered


def size_limit(offered: dict[str, str]) -> int:
    """Return the largest message the next hop says it takes; 0 where it names no limit."""
    value = offered.get("SIZE", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def needs_utf8(parcel: Parcel, recipients: Sequence[str]) -> bool:
    """Say whether the message cannot go without SMTPUTF8: an address or its header is not ASCII."""
    if not parcel.smtputf8:
        return False
    if not parcel.sender.isascii() or not all(map(str.isascii, recipients)):
        return True
    end = parcel.content.find(b"\r\n\r\n")
    return not (parcel.content if end < 0 else parcel.content[:end]).isascii()


def mail_command(parcel: Parcel, offered: dict[str, str], *, utf8: bool) -> bytes:
    """Return MAIL with the parameters that the next hop knows.

    8-bit content is declared where that is offered, and sent as it is where not: nearly every server
    takes it, and rewriting would break signatures.
    """
    words = [f"MAIL FROM:<{parcel.sender}>"]
    if "SIZE" in offered:
        words.append(f"SIZE={len(parcel.content)}")
    if "8BITMIME" in offered and not parcel.content.isascii():
        words.append("BODY=8BITMIME")
    if utf8:
        words.append("SMTPUTF8")
    return " ".join(words).encode() + b"\r\n"


def rcpt_command(recipient: str) -> bytes:
    """Return RCPT."""
    return f"RCPT TO:<{recipient}>\r\n".encode()


def encode_content(content: bytes) -> bytes:
    """Return the content as DATA carries it: CRLF line ends only, dots doubled, the final dot behind.

    A bare CR or LF that got here would let a message smuggle another one past the next hop.
    """
    pairs = content.count(b"\r\n")
    if content.count(b"\n") != pairs or content.count(b"\r") != pairs:
        content = _ANY_NEWLINE.sub(b"\r\n", content)
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n")
