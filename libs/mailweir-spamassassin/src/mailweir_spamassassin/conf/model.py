"""What rule files define, before any of it is compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mailweir_spamassassin.meta.expression import Node
from mailweir_spamassassin.problems import Place

SCORE_SETS: Final = 4
"""Without network tests and Bayes, with network tests, with Bayes, with both."""


class Target(StrEnum):
    """What a rule looks at."""

    HEADER = "header"
    BODY = "body"
    RAWBODY = "rawbody"
    FULL = "full"
    URI = "uri"
    MIMEHEADER = "mimeheader"
    META = "meta"


@dataclass(frozen=True, slots=True)
class PatternTest:
    """A regular expression on body, rawbody, full or uri: the literal with delimiters and flags."""

    literal: str


@dataclass(frozen=True, slots=True)
class HeaderTest:
    """`Name:modifier =~ /…/`; `negated` for `!~`. `unset` stands in for a header that is not there."""

    header: str
    modifier: str
    literal: str
    negated: bool = False
    unset: str | None = None


@dataclass(frozen=True, slots=True)
class ExistsTest:
    """`exists:Name`."""

    header: str


@dataclass(frozen=True, slots=True)
class EvalTest:
    """`eval:function(arguments)`; quotes around arguments are taken off."""

    function: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetaTest:
    """An expression over other rules."""

    expression: Node


@dataclass(frozen=True, slots=True)
class NetworkTest:
    """A rule that only a look-up in the network can answer; `what` is its directive or function."""

    what: str


Test = PatternTest | HeaderTest | ExistsTest | EvalTest | MetaTest | NetworkTest


@dataclass(frozen=True, slots=True)
class RuleDef:
    """One rule as its last definition has it. `source` is what stands behind the name, for people to read."""

    name: str
    target: Target
    test: Test
    place: Place
    source: str


@dataclass(frozen=True, slots=True)
class ReplaceTags:
    """What `replace_*` lines say: the texts for tags by name, the markers, and the rules to fill in."""

    tags: Mapping[str, str] = field(default_factory=dict)
    pre: Mapping[str, str] = field(default_factory=dict)
    inter: Mapping[str, str] = field(default_factory=dict)
    post: Mapping[str, str] = field(default_factory=dict)
    start: str = "<"
    end: str = ">"
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A line that defines a rule and is in force by its conditions, whatever became of it."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class RuleFileSet:
    """A directory of rule files, read.

    `scores` has a number per score set. `settings` maps each other directive (lower case, today's
    spelling) to the values of its lines, in order. `templates` has the lines of `report`, `unsafe_report`
    and so on, by name.
    """

    files: tuple[str, ...] = ()
    rules: Mapping[str, RuleDef] = field(default_factory=dict)
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    priorities: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replace: ReplaceTags = ReplaceTags()
    lines: tuple[RuleLine, ...] = ()
    version: str = ""

    def score_of(self, name: str) -> tuple[float, ...]:
        """Return the scores of a rule, a number per set: as given, or the default by its name and flags."""
        given = self.scores.get(name)
        if given is not None:
            return given
        default = 0.01 if name.startswith("T_") else 1.0
        sign = -1.0 if "nice" in self.flags.get(name, ()) else 1.0
        return (sign * default,) * SCORE_SETS
