"""Where PCRE2, as it is bound, reads a pattern otherwise than Perl: escapes with a character's number.

`\\x{41}` and `\\x4` are no numbers to it; they become `\\x41` and `\\x04`. A character over 0xFF is none of
the bytes that are matched: it never matches, and is nothing in a bracket expression.
"""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_spamassassin.perl.brackets import read_bracket
from mailweir_spamassassin.perl.escapes import BEYOND, number_escape

NEVER: Final = r"[^\x00-\xff]"
_NUMBER: Final = re.compile(r"\\(?:x(?![0-9A-Fa-f]{2})|o)")
_BEYOND: Final = "\u0100"
"""Stands for a character over 0xFF while a bracket expression is rewritten; a pattern is Latin-1."""
_BEYOND_RANGE: Final = re.compile("\u0100-\u0100|-\u0100|\u0100")


def for_pcre2(pattern: str) -> str:
    """Return a pattern of Perl's as PCRE2 is to be given it."""
    if _NUMBER.search(pattern) is None:
        return pattern
    return "".join(_pieces(pattern))


def _pieces(pattern: str) -> Iterator[str]:
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "[":
            end = read_bracket(pattern, at + 1)[1]
            yield _bracket(pattern[at:end])
            at = end
        elif letter == "\\":
            text, at = _escape(pattern, at)
            yield NEVER if text == _BEYOND else text
        else:
            yield letter
            at += 1


def _escape(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at + 1 : at + 2] in ("x", "o"):
        number = number_escape(pattern, at + 1)
        if number is not None:
            value, end = number
            return (_BEYOND if value == BEYOND else f"\\x{value:02x}"), end
    return pattern[at : at + 2], at + 2


def _bracket(text: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(text):
        part, at = _escape(text, at) if text[at] == "\\" else (text[at], at + 1)
        parts.append(part)
    whole = "".join(parts)
    if _BEYOND not in whole:
        return whole
    kept = _BEYOND_RANGE.sub(lambda found: r"-\xff" if found[0][0] == "-" else "", whole)
    if kept in ("[]", "[^]"):
        return NEVER if kept == "[]" else r"[\x00-\xff]"
    return kept
