"""Content-Type as SpamAssassin reads it: by pattern, not by grammar."""

import re
from typing import Final, NamedTuple

_BOUNDARY: Final = re.compile(rb'\bboundary\s*=\s*("[^"]+|[^\s";]+(?=[\s;]|$))', re.IGNORECASE)
_CHARSET: Final = re.compile(rb"\bcharset\s*=\s*[\"']?(.*?)[\"']?(?:;|$)", re.IGNORECASE)
_NAME: Final = re.compile(rb"\b(?:file)?name\s*=\s*[\"']?(.*?)[\"']?(?:;|$)", re.IGNORECASE)
_PIECES: Final = re.compile(
    rb"\b(?:file)?name\*(\d{1,3})\s*=\s*[\"']?(.*?)[\"']?(?:;|$)", re.IGNORECASE
)
_DISPOSITION_NAME: Final = re.compile(rb'name=\s*"?([^";]+)"?', re.IGNORECASE)
_TYPE: Final = re.compile(rb"\A([^/]+(?:/[^/\s]*)?)", re.DOTALL)
_OWN_TEXT: Final = frozenset({b"text/x-vcard", b"text/calendar", b"text/html"})
_UNWANTED: Final = bytes([*range(0x21), *range(0x7F, 0x100), *b'"(),:;<=>?@[\\]'])


class ContentType(NamedTuple):
    """Type (lower case), boundary, charset and name as declared; whether the type was missing."""

    type: str
    boundary: bytes | None
    charset: str | None
    name: str
    missing: bool


def parse_content_type(value: bytes) -> ContentType:
    """Read a decoded Content-Type; an empty one is plain text of US-ASCII."""
    missing = not value
    value = value or b"text/plain; charset=us-ascii"
    boundary = _BOUNDARY.search(value)
    charset = _CHARSET.search(value)
    kind = _kind(value)
    if not kind or (
        kind.startswith(b"text") and kind[4:5] in (b"", b"/") and kind not in _OWN_TEXT
    ):
        missing = missing or not kind
        kind = b"text/plain"
    return ContentType(
        kind.translate(None, _UNWANTED).decode("ascii"),
        boundary[1].replace(b'"', b"") if boundary else None,
        charset[1].decode("utf-8", "replace") if charset else None,
        _name(value),
        missing,
    )


def disposition_name(value: bytes) -> str:
    """Return the file name of a Content-Disposition; empty where it has none."""
    found = _DISPOSITION_NAME.search(value)
    return found[1].decode("utf-8", "replace") if found else ""


def _kind(value: bytes) -> bytes:
    kind = value.lstrip().partition(b";")[0]
    found = _TYPE.match(kind)
    return (found[1] if found else kind).lower()


def _name(value: bytes) -> str:
    found = _NAME.search(value)
    if found and found[1]:
        return found[1].decode("utf-8", "replace")
    pieces = {int(number): piece for number, piece in _PIECES.findall(value)}
    return b"".join(pieces[number] for number in sorted(pieces)).decode("utf-8", "replace")
