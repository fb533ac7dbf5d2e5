"""The message as it goes on: what others claimed to be ours is taken out, what is ours is put on top."""

from collections.abc import Sequence
from typing import Final

from mailweir_ingress.policy.facts import Shape
from mailweir_mail.edit import (
    SOFT_LINE,
    claims_authserv_id,
    count_received,
    fold,
    header_block,
    without_headers,
)

OUR_PREFIXES: Final = ("X-Spam-", "X-Mailweir-")
_MARKS: Final = (b"x-spam-", b"x-mailweir-", b"authentication-results")


def look_at(content: bytes, *, bare_newline: bool, line_lengths: bool) -> Shape:
    """Return the shape of a message with CRLF line ends; the longest line only where it is asked for."""
    block = header_block(content)
    lower = block.lower()
    return Shape(
        bytes=len(content),
        header_lines=block.count(b"\n"),
        hops=count_received(block),
        claims=any(mark in lower for mark in _MARKS),
        longest_line=max(map(len, content.split(b"\r\n"))) if line_lengths else 0,
        bare_newline=bare_newline,
    )


def cleaned(content: bytes, hostname: str) -> bytes:
    """Return a message without the fields that only we may set (RFC 8601 §5)."""
    return without_headers(content, prefixes=OUR_PREFIXES, matching=claims_authserv_id(hostname))


def composed(
    content: bytes, trace: bytes, ref: str, version: str, headers: Sequence[tuple[str, str]]
) -> bytes:
    """Return the message that is kept: Received, our id and version, the verdict's headers, the rest."""
    parts = [trace, f"X-Mailweir-Id: {ref}\r\nX-Mailweir-Version: {version}\r\n".encode()]
    parts.extend([_field(name, value) for name, value in headers])
    parts.append(content)
    return b"".join(parts)


def _field(name: str, value: str) -> bytes:
    """Return a field as bytes; most are so short and plain that there is nothing to fold or clean."""
    line = f"{name}: {value}"
    if len(line) <= SOFT_LINE and line.isascii() and line.isprintable() and value == value.strip():
        return f"{line}\r\n".encode()
    return fold(name, value)
