"""Is a delivered message, byte for byte, the one that was sent, but for the headers of the gateway?

Both sides are stripped of what the gateway adds and of what it may take away (headers that only it may set),
then compared. Written apart from the product's own header code, so that the two check each other.
"""

import hashlib
import re
from typing import Final

OURS: Final = re.compile(rb"(?i)x-(?:spam|mailweir)-[!-9;-~]*[ \t]*:")
"""Header fields that only the gateway sets; it removes them from what comes in."""

_NEWLINE: Final = re.compile(rb"\r\n|\r|\n")
_FIELD: Final = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_AUTH_RESULTS: Final = re.compile(rb"(?i)authentication-results[ \t]*:")
_REFERENCE: Final = re.compile(rb"(?im)^x-mailweir-id[ \t]*:[ \t]*([0-9A-Z-]+)[ \t]*\r?$")
_RECEIVED: Final = re.compile(rb"(?i)received[ \t]*:")


def crlf(content: bytes) -> bytes:
    """Return a message with every line end as CRLF, the last line's too: the form it has on the wire."""
    text = _NEWLINE.sub(b"\r\n", content)
    return text if text.endswith(b"\r\n") or not text else text + b"\r\n"


def stripped(content: bytes, host: bytes) -> bytes:
    """Return a message without our fields: `X-Spam-*`, `X-Mailweir-*`, `host`'s Received and results.

    `content` has CRLF line ends; `host` is the name the gateway calls itself. Everything else stays as it is.
    """
    head, body = _split(content)
    return b"".join(f for f in _FIELD.findall(head) if not _is_ours(f, host)) + body


def _split(content: bytes) -> tuple[bytes, bytes]:
    if content.startswith(b"\r\n"):
        return b"", content
    end = content.find(b"\r\n\r\n")
    return (content, b"") if end < 0 else (content[: end + 2], content[end + 2 :])


def _is_ours(field: bytes, host: bytes) -> bool:
    if OURS.match(field):
        return True
    if _AUTH_RESULTS.match(field):
        return host.lower() in field.lower().partition(b";")[0]
    return (
        bool(_RECEIVED.match(field)) and re.search(rb"\bby\s+" + re.escape(host), field) is not None
    )


def fingerprint(content: bytes, host: bytes) -> str:
    """Return the SHA-256 of what is not ours, in hexadecimal."""
    return hashlib.sha256(stripped(content, host)).hexdigest()


def reference(content: bytes) -> str:
    """Return the X-Mailweir-Id of a delivered message, or the empty string."""
    found = _REFERENCE.search(_split(content)[0])
    return found[1].decode() if found else ""
