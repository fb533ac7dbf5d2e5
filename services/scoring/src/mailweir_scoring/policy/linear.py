"""Patterns whose time is linear in the text, whatever they are: RE2, behind types of our own."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

import re2

PATTERN_MEMORY: Final = 4 * 1024 * 1024
"""Bytes that one pattern may take; RE2 refuses a larger one (such as `(a{999}){999}`) when it is read."""
SCAN_MEMORY: Final = 64 * 1024 * 1024
"""Bytes that the automaton of many texts may take; some 2 MiB are in use."""
_re2: Final[Any] = re2


class PatternError(ValueError):
    """Raised for a pattern that RE2 does not take, with its reason."""


class Pattern:
    """One pattern over UTF-8."""

    __slots__ = ("_compiled",)

    def __init__(self, source: str) -> None:
        """Compile. Raises PatternError; look-around and back-references are refused, too."""
        try:
            self._compiled: Any = _re2.compile(source.encode(), _options(PATTERN_MEMORY))
        except _re2.error as error:
            reason = error.args[0] if error.args else "refused"
            told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise PatternError(told) from error

    def found_in(self, text: bytes) -> bool:
        """Say whether the pattern matches somewhere in the text."""
        return self._compiled.search(text) is not None

    def found_times(self, text: bytes, times: int) -> bool:
        """Say whether there are so many matches in the text, none overlapping another."""
        return sum(1 for _ in islice(self._compiled.finditer(text), times)) == times


class Scan:
    """Many texts sought at once."""

    __slots__ = ("_set",)

    def __init__(self, texts: Iterable[bytes]) -> None:
        """Make the automaton."""
        self._set: Any = _re2.Set.SearchSet(_options(SCAN_MEMORY))
        for text in texts:
            self._set.Add(_re2.escape(text))
        self._set.Compile()

    def found_in(self, text: bytes) -> list[int]:
        """Return which of the texts, by their number, are in a text."""
        return sorted(self._set.Match(text) or ())


def _options(memory: int) -> Any:
    options = _re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options
