"""Reads a whole source of rule files: includes and conditions followed, what is wrong noted by line."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mailweir_spamassassin.conf.conditions import VERSION_TEXT, holds
from mailweir_spamassassin.conf.directives import Draft, apply_line
from mailweir_spamassassin.conf.lines import Line, lines_of
from mailweir_spamassassin.conf.model import ReplaceTags, RuleFileSet
from mailweir_spamassassin.conf.source import Source, Unreadable
from mailweir_spamassassin.limits import (
    MAX_FILES,
    MAX_INCLUDE_DEPTH,
    MAX_NESTED_CONDITIONS,
    MAX_TOTAL_BYTES,
)
from mailweir_spamassassin.meta.expression import InvalidExpressionError
from mailweir_spamassassin.problems import Place, ProblemKind, ProblemLog

VERSION_DIGITS: Final = 12
ANY_VERSION: Final = "@@VERSION@@"


@dataclass(slots=True)
class _Condition:
    """An open `if`: whether lines counted before it, whether they do now, and where it stands."""

    outer: bool
    place: Place
    had_else: bool = False


@dataclass(slots=True)
class _Reading:
    source: Source
    draft: Draft
    files: list[str] = field(default_factory=list)
    bytes: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def problems(self) -> ProblemLog:
        return self.draft.problems


def read(source: Source, problems: ProblemLog) -> RuleFileSet:
    """Return everything that the files of `source` define; what cannot be read is in `problems`."""
    reading = _Reading(source, Draft(problems))
    try:
        names = source.names()
    except Unreadable as error:
        problems.add(Place("(directory)"), ProblemKind.UNREADABLE, str(error))
        return RuleFileSet()
    for name in names:
        _File(reading, name).read(Place(name))
    return _finished(reading)


def _finished(reading: _Reading) -> RuleFileSet:
    draft = reading.draft
    for name in sorted(draft.scores.keys() - draft.rules.keys()):
        reading.problems.add(
            draft.score_places[name], ProblemKind.UNDEFINED, "a score, but no such rule", name
        )
    return RuleFileSet(
        files=tuple(reading.files),
        rules=draft.rules,
        scores=draft.scores,
        descriptions=draft.descriptions,
        flags=draft.flags,
        priorities=draft.priorities,
        settings=_frozen(draft.settings),
        templates=_frozen(draft.templates),
        replace=_replace_tags(draft),
        lines=tuple(draft.lines),
        version=reading.digest.hexdigest()[:VERSION_DIGITS],
    )


def _replace_tags(draft: Draft) -> ReplaceTags:
    tags = draft.tags
    return ReplaceTags(
        tags["tag"], tags["pre"], tags["inter"], tags["post"],
        draft.markers["start"], draft.markers["end"], frozenset(draft.replace_rules),
    )  # fmt: skip


def _frozen(lists: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in lists.items()}


class _File:
    """One file, or one that it includes: conditions do not reach beyond a file."""

    def __init__(self, reading: _Reading, name: str, within: tuple[str, ...] = ()) -> None:
        self._reading = reading
        self._name = name
        self._within = (*within, name)
        self._open: list[_Condition] = []
        self._counts = True

    def read(self, asked: Place) -> None:
        """Take the file's lines into the draft; `asked` is the line that wants it."""
        text = self._text(asked)
        if text is None:
            return
        for line in lines_of(self._name, text, self._reading.problems):
            self._line(line)
        for condition in self._open:
            self._problem(condition.place, ProblemKind.CONDITION, "an `if` without its `endif`")

    def _text(self, asked: Place) -> str | None:
        reading = self._reading
        if len(reading.files) >= MAX_FILES or reading.bytes >= MAX_TOTAL_BYTES:
            self._problem(asked, ProblemKind.LIMIT, "too much to read; left out")
            return None
        try:
            text = reading.source.read(self._name)
        except Unreadable as error:
            self._problem(asked, ProblemKind.UNREADABLE, f"{self._name}: {error}")
            return None
        reading.files.append(self._name)
        reading.bytes += len(text)
        reading.digest.update(text.encode("latin-1") + b"\0")
        return text

    def _line(self, line: Line) -> None:
        match line.key:
            case "if":
                self._if(line, line.value)
            case "ifplugin":
                self._if(line, f"plugin({line.value.strip()})")
            case "else":
                self._else(line)
            case "endif":
                self._endif(line)
            case _ if not self._counts:
                pass
            case "include":
                self._include(line)
            case "require_version":
                self._require(line)
            case _:
                apply_line(self._reading.draft, line)

    def _if(self, line: Line, expression: str) -> None:
        if len(self._open) >= MAX_NESTED_CONDITIONS:
            self._problem(line.place, ProblemKind.LIMIT, "too many conditions within each other")
            self._counts = False
        self._open.append(_Condition(self._counts, line.place))
        if self._counts:
            self._counts = self._holds(line, expression)

    def _holds(self, line: Line, expression: str) -> bool:
        try:
            return holds(expression)
        except InvalidExpressionError as error:
            self._problem(line.place, ProblemKind.CONDITION, str(error))
            return False

    def _else(self, line: Line) -> None:
        if not self._open or self._open[-1].had_else or line.value:
            self._problem(line.place, ProblemKind.CONDITION, "an `else` without its `if`")
            return
        self._open[-1].had_else = True
        self._counts = self._open[-1].outer and not self._counts

    def _endif(self, line: Line) -> None:
        if not self._open:
            self._problem(line.place, ProblemKind.CONDITION, "an `endif` without its `if`")
            return
        self._counts = self._open.pop().outer

    def _include(self, line: Line) -> None:
        name = self._reading.source.resolve(line.value, self._name)
        if name in self._within:
            self._problem(line.place, ProblemKind.INCLUDE, f"{line.value} includes itself")
        elif len(self._within) > MAX_INCLUDE_DEPTH:
            self._problem(line.place, ProblemKind.INCLUDE, "included files too deep")
        else:
            _File(self._reading, name, self._within).read(line.place)

    def _require(self, line: Line) -> None:
        if line.value in (VERSION_TEXT, ANY_VERSION):
            return
        text = (
            f"for release {line.value[:20]}, not {VERSION_TEXT}; the rest of the file is left out"
        )
        self._problem(line.place, ProblemKind.VERSION, text)
        self._counts = False

    def _problem(self, place: Place, kind: ProblemKind, text: str) -> None:
        self._reading.problems.add(place, kind, text)
