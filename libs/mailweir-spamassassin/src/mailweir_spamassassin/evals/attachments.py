"""One walk over all parts for what the MIME tests ask: encodings, charsets, lengths."""

import re
from dataclasses import dataclass, field
from typing import Final

from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.parts import Node

from .charsets import is_faraway, locales

_PLAIN_CHARSET: Final = re.compile(
    r"us-ascii|ansi_x3\.4-1968|iso-ir-6|ansi_x3\.4-1986|iso_646\.irv:1991|ascii|iso646-us|us|ibm367|cp367|csascii"
)
_ISO: Final = re.compile(r"iso-\S+-\S+\b")
_KNOWN_ISO: Final = re.compile(r"iso-(?:8859-\d{1,2}|2022-(?:jp|kr))\b")
_LETTER: Final = re.compile(r"[a-z]")
_NEEDLESS: Final = re.compile(rb"=(?:09|3[0-9ABCEF]|[2456][0-9A-F]|7[0-9A-E])")
_TRAILING: Final = re.compile(rb"((?:=09|=20)+)[ \t\r\f\v]*(?:\n|\Z)")
_ILLEGAL: Final = re.compile(rb"[\x00\x0d\x80-\xff]")
_REFERENCE: Final = re.compile(rb"&#x[0-9A-F]{4};")
_QP_LINE: Final = (
    79  # octets with the line end (RFC 5322 §2.1.1 for lines that should not be exceeded)
)
_OPEN: Final = ("", "7bit", "8bit")
MAX_PART: Final = 1_048_576
"""Octets of one part that are looked through."""
_COUNTED: Final = [
    "mime_base64_count",
    "mime_base64_encoded_text",
    "mime_body_html_count",
    "mime_body_text_count",
    "mime_faraway_charset",
    "mime_multipart_alternative",
    "mime_qp_count",
    "mime_qp_long_line",
    "mime_qp_ratio",
    "mime_ascii_text_illegal",
    "mime_text_unicode_ratio",
    "mime_attachment",
    "mime_bad_iso_charset",
    "mimepart_limit_exceeded",
]
_MOST_PARTS: Final = 1000


@dataclass(slots=True)
class Attachments:
    """Numbers by SpamAssassin's names, and the charsets that parts declare."""

    numbers: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(_COUNTED, 0.0) | {"mime_multipart_ratio": 1.0}
    )
    charsets: list[str] = field(default_factory=list)
    sizes: list[tuple[str, int]] = field(default_factory=list)
    qp_octets: int = 0
    qp_needless: int = 0
    plain: int = 0
    references: int = 0


def look_through(view: View) -> Attachments:
    """Walk over all parts once."""
    found, allowed = Attachments(), locales(view.site)
    for node in view.nodes:
        kind = node.declared.type
        if kind == "multipart/alternative":
            found.numbers["mime_multipart_alternative"] = 1
        disposition = node.header("content-disposition").decode("utf-8", "replace").lower()
        _header(node, kind, disposition, found, allowed)
        if node.is_leaf:
            _leaf(node, kind, disposition, found)
    return _summed(found, len(view.nodes))


def _header(
    node: Node, kind: str, disposition: str, found: Attachments, allowed: frozenset[str]
) -> None:
    numbers, encoding = found.numbers, node.encoding
    charset = (node.declared.charset or "").lower()
    if kind == "text/html":
        numbers["mime_body_html_count"] += 1
    elif kind.startswith("text"):
        numbers["mime_body_text_count"] += 1
    if "base64" in encoding:
        numbers["mime_base64_count"] += 1
        is_shown = not disposition.startswith(("attachment", "inline"))
        if kind.startswith("text") and is_shown and (not charset or _PLAIN_CHARSET.search(charset)):
            numbers["mime_base64_encoded_text"] = 1
    elif "quoted-printable" in encoding:
        numbers["mime_qp_count"] += 1
    if "attachment" in disposition:
        numbers["mime_attachment"] += 1
    if _ISO.search(charset) and not _KNOWN_ISO.search(charset):
        numbers["mime_bad_iso_charset"] = 1
    if _LETTER.search(charset):
        found.charsets.extend(charset.split())
        if is_faraway(charset, allowed):
            numbers["mime_faraway_charset"] = 1


def _leaf(node: Node, kind: str, disposition: str, found: Attachments) -> None:
    is_attached = "attachment" in disposition
    is_body = kind in ("text/plain", "text/html") and not is_attached
    is_quoted = node.encoding == "quoted-printable"
    if not is_body and not is_quoted and kind != "text/plain":
        return
    raw = node.raw[:MAX_PART]
    if is_body:
        counted = len(raw) if found.numbers["mime_multipart_alternative"] else 0
        found.sizes.append((kind, counted))
    if is_quoted:
        _quoted(raw, found)
    if kind != "text/plain":
        return
    if node.declared.charset is None or node.declared.charset.lower() == "us-ascii":
        found.numbers["mime_ascii_text_illegal"] += _ILLEGAL.search(raw) is not None
    if node.encoding in _OPEN:
        references = _REFERENCE.findall(raw) if b"&#x" in raw else []
        found.references += len(references)
        found.plain += len(raw) - sum(map(len, references))


def _quoted(raw: bytes, found: Attachments) -> None:
    if any(len(line) >= _QP_LINE for line in raw.split(b"\n")):
        found.numbers["mime_qp_long_line"] = 1
    found.qp_octets += len(raw)
    needless = len(_NEEDLESS.findall(raw))
    if needless:
        trailing = sum(len(item) for item in _TRAILING.findall(raw))
        found.qp_needless += needless - trailing // 3


def _summed(found: Attachments, parts: int) -> Attachments:
    numbers = found.numbers
    if found.qp_octets:
        numbers["mime_qp_ratio"] = found.qp_needless / found.qp_octets
        numbers["mime_qp_count"] = found.qp_needless
    if found.plain:
        numbers["mime_text_unicode_ratio"] = found.references / found.plain
    if numbers["mime_multipart_alternative"]:
        sizes = dict(found.sizes)  # the last part of each kind
        plain, html = sizes.get("text/plain"), sizes.get("text/html")
        if plain is not None and html:
            numbers["mime_multipart_ratio"] = plain / html
    numbers["mimepart_limit_exceeded"] = float(parts >= _MOST_PARTS)
    return found
