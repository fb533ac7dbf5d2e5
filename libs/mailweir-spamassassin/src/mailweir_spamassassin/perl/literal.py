"""A Perl regular expression as rule files write it: `/…/flags`, `m{…}flags` → pattern and flags."""

import re
from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.limits import MAX_PATTERN_CHARS

_PAIRS: Final = {"{": "}", "(": ")", "<": ">", "[": "]"}
_START: Final = re.compile(r"(/)|(?:m|qr)([^\w\s\\])")
_CODE: Final = re.compile(r"\(\?\??\{")
_FLAGS: Final = frozenset("imsxn")
_WITHOUT_EFFECT: Final = frozenset("adglopu")
"""Flags that say nothing on bytes, or only how a pattern is used."""


class InvalidRegexError(ValueError):
    """Raised for a text that is no regular expression; the message says why."""


class UnsupportedRegexError(ValueError):
    """Raised for a regular expression that Perl takes and this package cannot run."""


@dataclass(frozen=True, slots=True)
class PerlRegex:
    """A pattern (a character is a byte) and its flags out of `imsxn`."""

    pattern: str
    flags: str = ""


def read_literal(text: str) -> PerlRegex:
    """Return the regular expression in `text`. Raises InvalidRegexError."""
    start = _START.match(text)
    if start is None:
        raise InvalidRegexError("no delimiter at its begin")
    opening = start[1] or start[2]
    closing = _PAIRS.get(opening, opening)
    end = text.rfind(closing, start.end())
    if end < 0:
        raise InvalidRegexError(f"no {closing} at its end")
    pattern, flags = text[start.end() : end], text[end + 1 :]
    unknown = set(flags) - _FLAGS - _WITHOUT_EFFECT
    if unknown:
        raise InvalidRegexError(f"unknown flags {''.join(sorted(unknown))[:20]!r}")
    if closing == opening and _has_bare(pattern, closing):
        raise InvalidRegexError(f"a {closing} inside without a backslash")
    return checked(PerlRegex(pattern, "".join(sorted(set(flags) & _FLAGS))))


def checked(regex: PerlRegex) -> PerlRegex:
    """Return `regex` if it may be compiled at all. Raises InvalidRegexError."""
    if len(regex.pattern) > MAX_PATTERN_CHARS:
        raise InvalidRegexError(f"longer than {MAX_PATTERN_CHARS} characters")
    if _CODE.search(regex.pattern):
        raise InvalidRegexError("Perl code in a pattern is not run")
    return regex


def _has_bare(pattern: str, delimiter: str) -> bool:
    return re.search(r"(?<!\\)" + re.escape(delimiter), pattern.replace("\\\\", "")) is not None
