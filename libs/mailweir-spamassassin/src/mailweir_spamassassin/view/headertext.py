"""A header field's value as rules see it: unfolded, encoded words decoded, UTF-8."""

import binascii
import re
from typing import Final

from . import charset

_FOLD: Final = re.compile(rb"\n[ \t]+")
_BETWEEN: Final = re.compile(
    rb"(=\?[A-Za-z0-9*_-]+\?[bqBQ]\?[^?]*\?=)\s+(?==\?[A-Za-z0-9*_-]+\?[bqBQ]\?[^?]*\?=)"
)
_WORD: Final = re.compile(rb"=\?([A-Za-z0-9*_-]+)\?([bqBQ])\?([^?]*)\?=")
_NOT_DECODED: Final = re.compile(
    r"received|(?:resent-)?(?:message-id|date)|mime-version|references|in-reply-to|list-.*",
    re.DOTALL,
)
_HEX: Final = re.compile(rb"=([0-9a-fA-F]{2})")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")


def decode_value(raw: bytes, name: str = "") -> bytes:
    """Return the value of a raw field; `name` in lower case says whether encoded words may be in it."""
    value = _FOLD.sub(b" ", raw) if b"\n" in raw else raw
    return decode_words(value.strip(b" \t\r\n\f\v"), name)


def decode_words(value: bytes, name: str = "") -> bytes:
    """Return an unfolded value as UTF-8 with encoded words decoded."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    if not value.isascii():
        value = charset.decode(value, "UTF-8").encode("utf-8", "replace")
    if b"=?" not in value or _NOT_DECODED.fullmatch(name):
        return value
    value = _BETWEEN.sub(rb"\1", value)
    return b"".join(_sections(value))


def _sections(value: bytes) -> list[bytes]:
    """Decode neighbours of one charset together: a character may be cut between two words."""
    out: list[bytes] = []
    pending, pending_charset, at = b"", b"", 0
    for found in _WORD.finditer(value):
        label = found[1].lower()
        if pending and (found.start() > at or label != pending_charset):
            out.append(_characters(pending, pending_charset))
            pending = b""
        out.append(value[at : found.start()])
        pending += _octets(found[2], found[3])
        pending_charset, at = label, found.end()
    if pending:
        out.append(_characters(pending, pending_charset))
    out.append(value[at:])
    return out


def _characters(data: bytes, label: bytes) -> bytes:
    name = label.partition(b"*")[0].decode("ascii")
    return charset.decode(data, name, insist=True).encode("utf-8", "replace")


def _octets(kind: bytes, data: bytes) -> bytes:
    if kind in b"bB":
        data = _NOT_BASE64.sub(b"", data)
        if len(data) % 4 == 1:
            data = data[:-1]
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    return _HEX.sub(lambda found: bytes([int(found[1], 16)]), data.replace(b"_", b" "))
