"""Tests on MIME structure and encodings (SpamAssassin's MIMEEval)."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.parts import Node

from .attachments import Attachments, look_through
from .charsets import is_faraway, locales
from .common import argument, number, once, text_of, view_of
from .header import CAPS_CHARSETS
from .structure import flags

_TEXT_HTML: Final = re.compile(r"text/html", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset=(?:\"([^\"]+)\"|'([^']+)'|(\S+))", re.IGNORECASE)
_CAPS: Final = re.compile(rf"{CAPS_CHARSETS}\Z", re.IGNORECASE)
_TWO_WORDS: Final = re.compile(rb"\S\s+\S")
_BASE64_LINES: Final = re.compile(rb"(?:[A-Za-z0-9+/=]{60,76} ){2}")
_JAPANESE: Final = re.compile(rb"\x1b\$B.*\x1b\(B", re.DOTALL)
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz0123456789"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ENOUGH_TEXT: Final = 200
_ENCODED_WORD: Final = re.compile(r"=\?(.+?)\?.\?.*?\?=")


def _facts(context: EvalContext) -> Attachments:
    return once(view_of(context), "attachments", look_through)


def _for_mime(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int(bool(_facts(context).numbers.get(argument(arguments, 0) or "")))


def _html(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    if _TEXT_HTML.match(text_of(view_of(context), "Content-Type")):
        return 1
    return int(_facts(context).numbers["mime_body_html_count"] > 0)


def _html_only(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    if _TEXT_HTML.match(text_of(view_of(context), "Content-Type")):
        return 1
    numbers = _facts(context).numbers
    return int(numbers["mime_body_html_count"] > 0 and numbers["mime_body_text_count"] == 0)


def _multipart_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    ratio = _facts(context).numbers["mime_multipart_ratio"]
    return int(number(argument(arguments, 0) or "") <= ratio < number(argument(arguments, 1) or ""))


def _ascii_illegal(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    return int(_facts(context).numbers["mime_ascii_text_illegal"] > 0)


def _unicode_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    ratio = _facts(context).numbers["mime_text_unicode_ratio"]
    return int(ratio >= number(argument(arguments, 0) or ""))


def _qp_ratio(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int(_facts(context).numbers["mime_qp_ratio"] >= number(argument(arguments, 0) or ""))


def _parse_flags(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int((argument(arguments, 0) or "") in once(view_of(context), "flags", flags))


def _non_text(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """A direct leaf of an alternative that is neither text nor rich text."""
    del arguments
    by_part = {node.part: node for node in view_of(context).nodes}
    for node in by_part.values():
        if node.type == "multipart/alternative" and any(
            not _is_text(by_part[child]) for child in node.part.children if child in by_part
        ):
            return 1
    return 0


def _is_text(node: Node) -> bool:
    return not node.is_leaf or node.type == "application/rtf" or node.type.startswith("text/")


def _base64_length(context: EvalContext, arguments: tuple[str, ...]) -> int:
    longest = once(view_of(context), "base64_length", _longest_base64)
    high = argument(arguments, 1)
    return int(
        longest >= number(argument(arguments, 0) or "")
        and (high is None or longest <= number(high))
    )


def _longest_base64(view: View) -> int:
    lines = (
        len(line) + 1
        for node in view.leaves
        if node.encoding == "base64" and node.declared.type != "application/ics"
        for line in node.raw.split(b"\n")
    )
    return max(lines, default=0)


# -- letters ----------------------------------------------------------------------------------------------


def _uppercase(context: EvalContext, arguments: tuple[str, ...]) -> int:
    share = once(view_of(context), "uppercase", _upper_share)
    return int(number(argument(arguments, 0) or "") < share <= number(argument(arguments, 1) or ""))


def _upper_share(view: View) -> float:
    """Return the percentage of capital letters; 0 for a short text and for charsets where it says nothing."""
    declared = charset_of(text_of(view, "Content-Type"))
    attachments = once(view, "attachments", look_through)
    if any(map(_CAPS.match, (declared, *attachments.charsets))):
        return 0.0
    length = lower = upper = 0
    for line in view.body:
        if not _TWO_WORDS.search(line) or _BASE64_LINES.match(line):
            continue
        text = _JAPANESE.sub(b"", line) if b"\x1b$B" in line else line
        length += len(text)
        lower += len(text) - len(text.translate(None, _LOWER))
        upper += len(text) - len(text.translate(None, _UPPER))
    if length < _ENOUGH_TEXT or not upper + lower:
        return 0.0
    return upper / (upper + lower) * 100


def charset_of(content_type: str) -> str:
    """Return the charset that a Content-Type names; empty for none."""
    found = _CHARSET.search(content_type)
    return next((group for group in found.groups() if group), "") if found else ""


def _faraway(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    allowed, charset = locales(view.site), charset_of(text_of(view, "Content-Type"))
    if not charset or not is_faraway(charset, allowed):
        return 0
    counts: Counter[bool] = Counter()
    for line in view.body:
        low = len(line.decode("ascii", "ignore"))
        counts[False] += low
        counts[True] += len(line) - low
    return int(counts[True] >= counts[False] and counts[True] > 3)


def _faraway_headers(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    allowed = locales(view.site)
    values = (text_of(view, name, "raw") for name in ("From", "Subject"))
    charsets = (charset for value in values for charset in _ENCODED_WORD.findall(value))
    return int(any(is_faraway(charset, allowed) for charset in charsets))


TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_for_mime": _for_mime,
    "check_for_mime_html": _html,
    "check_for_mime_html_only": _html_only,
    "check_mime_multipart_ratio": _multipart_ratio,
    "check_for_ascii_text_illegal": _ascii_illegal,
    "check_abundant_unicode_ratio": _unicode_ratio,
    "check_qp_ratio": _qp_ratio,
    "check_msg_parse_flags": _parse_flags,
    "check_ma_non_text": _non_text,
    "check_base64_length": _base64_length,
    "check_for_uppercase": _uppercase,
    "check_for_faraway_charset": _faraway,
    "check_for_faraway_charset_in_headers": _faraway_headers,
}
