"""What is wrong with a rule file, or in it and not supported: file, line, kind and a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mailweir_spamassassin.limits import MAX_PROBLEMS


class Severity(StrEnum):
    """What a problem means for the set of rules."""

    ERROR = "error"
    """To be repaired: a new set with such a line is not taken while an older good one is in force."""
    UNSUPPORTED = "unsupported"
    """Right in SpamAssassin, not available here: the rule never hits, the others are not affected."""
    NOTE = "note"
    """Worth knowing, without effect: a rule defined twice, a score for a rule that is not there."""


class ProblemKind(StrEnum):
    """Why a line is not in force as it stands."""

    UNREADABLE = "unreadable"
    LIMIT = "limit"
    SYNTAX = "syntax"
    NAME = "name"
    VALUE = "value"
    CONDITION = "condition"
    INCLUDE = "include"
    VERSION = "version"
    REGEX_INVALID = "regex-invalid"
    META_INVALID = "meta-invalid"
    META_CYCLE = "meta-cycle"
    REGEX_UNSUPPORTED = "regex-unsupported"
    TEST_UNSUPPORTED = "test-unsupported"
    EVAL_UNKNOWN = "eval-unknown"
    NETWORK = "network"
    DIRECTIVE_UNKNOWN = "directive-unknown"
    DUPLICATE = "duplicate"
    UNDEFINED = "undefined"

    @property
    def severity(self) -> Severity:
        """Return what a problem of this kind means."""
        return _SEVERITY.get(self, Severity.ERROR)


_SEVERITY: Final = {
    ProblemKind.REGEX_UNSUPPORTED: Severity.UNSUPPORTED,
    ProblemKind.TEST_UNSUPPORTED: Severity.UNSUPPORTED,
    ProblemKind.EVAL_UNKNOWN: Severity.UNSUPPORTED,
    ProblemKind.NETWORK: Severity.UNSUPPORTED,
    ProblemKind.DIRECTIVE_UNKNOWN: Severity.UNSUPPORTED,
    ProblemKind.DUPLICATE: Severity.NOTE,
    ProblemKind.UNDEFINED: Severity.NOTE,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a rule file; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        """Return `file:line`, as editors take it."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not in force as it stands. `rule` is the rule's name where there is one."""

    place: Place
    kind: ProblemKind
    text: str
    rule: str = ""

    @property
    def severity(self) -> Severity:
        """Return what it means for the set."""
        return self.kind.severity

    def __str__(self) -> str:
        """Return the problem as one line."""
        named = f"{self.rule}: " if self.rule else ""
        return f"{self.place}: {self.kind}: {named}{self.text}"


@dataclass(slots=True)
class ProblemLog:
    """Problems as they are found; past MAX_PROBLEMS they are counted, not kept."""

    kept: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, place: Place, kind: ProblemKind, text: str, rule: str = "") -> None:
        """Note one problem."""
        if len(self.kept) < MAX_PROBLEMS:
            self.kept.append(Problem(place, kind, text, rule))
        else:
            self.more += 1

    def all(self) -> tuple[Problem, ...]:
        """Return what was found, and a last line for what was too much to keep."""
        return (*self.kept, *self._rest())

    def _rest(self) -> Iterator[Problem]:
        if self.more:
            yield Problem(
                Place("(all files)"), ProblemKind.LIMIT, f"{self.more} more problems are not listed"
            )
