"""Faults of a message's outer form that a parser notices, by SpamAssassin's names of them."""

import re
from typing import Final

from mailweir_mail import Part
from mailweir_spamassassin.view.message import View

_FIELD: Final = re.compile(rb"[!-9;-~]+:")
_FIELD_SPACED: Final = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
_TEXT: Final = re.compile(rb"[^\s.]")


def flags(view: View) -> frozenset[str]:
    """Return what is wrong; each name is the argument of `check_msg_parse_flags` that asks for it."""
    found: set[str] = set()
    view.headers_all("ALL")  # which says whether all fields together are too long
    if view.fields.truncated:
        found.add("truncated_header")
    message = view.message
    if message.headers.junk_at is not None or message.header_end == message.body_start:
        found.add("missing_head_body_separator")
    for node in view.nodes:
        if node.part.is_multipart:
            _multipart(node.part, found)
    return frozenset(found)


def _multipart(part: Part, found: set[str]) -> None:
    for child in part.children:
        head = child.source[child.header_start : child.body_start]
        first = head.lstrip(b"\r\n") if not head.strip() else head
        if not _FIELD.match(first if head.strip() else head):
            found.add("missing_mime_headers")
        if child.headers.junk_at is not None:
            found.add("missing_mime_head_body_separator")
    if _TEXT.search(part.epilogue):
        found.add("mime_epilogue_exists")
