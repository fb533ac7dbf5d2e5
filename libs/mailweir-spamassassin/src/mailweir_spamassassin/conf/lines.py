"""A line of a rule file: comments and translations taken off, the directive's name and its value."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.limits import MAX_LINE_CHARS
from mailweir_spamassassin.problems import Place, ProblemKind, ProblemLog

_COMMENT: Final = re.compile(r"(?<!\\)#.*")
_LANG: Final = re.compile(r"lang\s+(\S+)\s+", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s+")
LANGUAGE: Final = "en_US"
"""Texts of other languages are left out: SpamAssassin takes those of the locale, and this is its default."""


@dataclass(frozen=True, slots=True)
class Line:
    """A directive: its name in lower case with underscores, its value, and where it stands."""

    place: Place
    key: str
    value: str


def lines_of(file: str, text: str, problems: ProblemLog) -> Iterator[Line]:
    """Yield the directives of a file, in order. A line over MAX_LINE_CHARS is left out and reported."""
    for number, raw in enumerate(text.split("\n"), 1):
        place = Place(file, number)
        if len(raw) > MAX_LINE_CHARS:
            problems.add(place, ProblemKind.LIMIT, f"a line over {MAX_LINE_CHARS} characters")
            continue
        line = _content(raw)
        if line:
            key, _, value = _split(line)
            yield Line(place, key.lower().replace("-", "_"), value)


def _content(raw: str) -> str:
    if "#" in raw:
        raw = _COMMENT.sub("", raw).replace("\\#", "#")
    line = raw.strip(" \t\r\n\f\v")
    translated = _LANG.match(line)
    if translated is None:
        return line
    wanted = LANGUAGE.lower().startswith(translated[1].lower())
    return line[translated.end() :] if wanted else ""


def _split(line: str) -> tuple[str, str, str]:
    parts = _SPACE.split(line, maxsplit=1)
    return parts[0], "", parts[1] if len(parts) > 1 else ""
