"""Exact matching of one pattern by PCRE2, compiled to machine code and bounded in steps."""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import pcre2

from mailweir_spamassassin.limits import STEP_LIMITS
from mailweir_spamassassin.perl.compact import compact
from mailweir_spamassassin.perl.dialect import for_pcre2
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex, UnsupportedRegexError

_PCRE2: Final[Any] = pcre2
"""The binding has no types of its own; the protocols below say what is used of it."""
_TOO_LARGE: Final = "too large"
_SHORT: Final = STEP_LIMITS[0][0]
_DUPLICATE_NAMES: Final = "(?J)"


class Match(Protocol):
    """Where a pattern matched."""

    def group(self) -> bytes:
        """Return the text that matched."""
        ...

    def __getitem__(self, name: str) -> bytes | None:
        """Return the text of a named group."""
        ...


class _Pattern(Protocol):
    def search(self, text: bytes) -> Match | None: ...

    def finditer(self, text: bytes) -> Iterator[Match]: ...


class StepLimit(Exception):
    """A text took more steps than a rule may take; whether it matches is not known."""


class Matcher:
    """One pattern. Safe to share between threads: matching keeps nothing."""

    __slots__ = ("_patterns", "_source")

    def __init__(self, regex: PerlRegex) -> None:
        """Check the pattern. Raises InvalidRegexError; UnsupportedRegexError for one that is too large."""
        flags = f"(?{regex.flags})" if regex.flags else ""
        self._source = _source(flags + for_pcre2(regex.pattern))
        self._patterns: list[_Pattern | None] = [None] * len(STEP_LIMITS)

    @classmethod
    def of(cls, source: bytes) -> "Matcher":
        """Return a matcher for the `source` of one that was checked before."""
        matcher = cls.__new__(cls)
        matcher._source = source
        matcher._patterns = [None] * len(STEP_LIMITS)
        return matcher

    @property
    def source(self) -> bytes:
        """Return the pattern as the engine takes it, its limit left out."""
        return self._source

    def search(self, text: bytes) -> Match | None:
        """Return the first match in a text. Raises StepLimit."""
        pattern = self._pattern(text)
        try:
            return pattern.search(text)
        except _PCRE2.LibraryError as error:
            raise StepLimit(str(error)) from error

    def count(self, text: bytes, most: int) -> int:
        """Return how often the pattern matches, one match after the other, up to `most`. Raises StepLimit."""
        found = 0
        try:
            for _ in self._pattern(text).finditer(text):
                found += 1
                if found >= most:
                    break
        except _PCRE2.LibraryError as error:
            raise StepLimit(str(error)) from error
        return found

    def _pattern(self, text: bytes) -> _Pattern:
        place = 0 if len(text) <= _SHORT else _place(len(text))
        # Two threads may both compile: the second one's work is thrown away, which harms nothing.
        pattern = self._patterns[place]
        if pattern is None:
            pattern = self._patterns[place] = _compiled(self._source, STEP_LIMITS[place][1])
        return pattern


def _place(size: int) -> int:
    last = len(STEP_LIMITS) - 1
    return next((i for i, (most, _) in enumerate(STEP_LIMITS) if size <= most), last)


def _compiled(source: bytes, steps: int) -> _Pattern:
    limit = f"(*LIMIT_MATCH={steps})".encode()
    pattern: _Pattern
    try:
        pattern = _PCRE2.compile(limit + source, jit=True)
    except (
        _PCRE2.LibraryError
    ):  # thousands of optional parts in a row: only the interpreter takes them
        pattern = _PCRE2.compile(limit + source, jit=False)
    return pattern


def _source(pattern: str) -> bytes:
    source = (_DUPLICATE_NAMES + pattern).encode("latin-1")
    try:
        _PCRE2.compile(source, jit=False)
    except _PCRE2.PatternError as error:
        if _TOO_LARGE not in str(error):
            raise InvalidRegexError(str(error)) from error
        return _smaller(pattern)
    return source


def _smaller(pattern: str) -> bytes:
    source = (_DUPLICATE_NAMES + compact(pattern)).encode("latin-1")
    try:
        _PCRE2.compile(source, jit=False)
    except _PCRE2.PatternError as error:
        raise UnsupportedRegexError(f"too large for the exact engine: {error}") from error
    return source
