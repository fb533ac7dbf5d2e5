"""Rules as data: symbol, score, group and description, read from TOML texts and checked as a whole.

A file names its group once and then has a table per symbol:

    group = "headers"

    [MISSING_DATE]
    score = 1.0
    description = "There is no Date header"

`reason` (mailweir_core.reasons.Reason) may stand beside them: it becomes the verdict's reason wherever
the signal is found and the message is not accepted.

A rule with an `expression` (`mailweir_scoring.policy.expressions`) needs no check: it is found where the
expression holds. It may name the symbols that it `replaces`; without a score it is a building block.
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from mailweir_core.reasons import Reason
from mailweir_scoring.policy.composition import Composite, in_order, unknown_symbols
from mailweir_scoring.policy.expressions import ExpressionError, parse

MAX_SCORE: Final = 1000.0
"""Largest score of a rule in either direction; SpamAssassin's GTUBE has it."""
VERSION_DIGITS: Final = 12

_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{2,47}")
_GROUP: Final = re.compile(r"[a-z][a-z0-9-]{1,31}")
_KEYS: Final = frozenset({"score", "description", "reason"})
_EXPRESSION_KEYS: Final = frozenset({"expression", "replaces"})


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file of rules: its name, for messages, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a symbol is worth and means."""

    symbol: str
    score: float
    group: str
    description: str
    reason: Reason | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One thing that is wrong: file, symbol (empty for the file as a whole) and a sentence."""

    file: str
    symbol: str
    message: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.file}: {self.symbol}: {self.message}" if self.symbol else self._short()

    def _short(self) -> str:
        return f"{self.file}: {self.message}"


class InvalidRulesError(ValueError):
    """Raised when rule files are no rule set; carries every problem found."""

    def __init__(self, problems: Sequence[RuleProblem]) -> None:
        """Keep the problems; the text has a line for each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A checked set of rules by symbol; `version` is a short hash of the files it was read from.

    `composites` are the rules with an expression, each after those it asks for.
    """

    rules: Mapping[str, Rule]
    version: str
    composites: tuple[Composite, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups in the order of their first rule."""
        return tuple(dict.fromkeys(rule.group for rule in self.rules.values()))


@dataclass(slots=True)
class _Reading:
    rules: dict[str, Rule] = field(default_factory=dict)
    composites: dict[str, Composite] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[RuleProblem] = field(default_factory=list)


def read_rules(files: Sequence[RuleFile], checked: AbstractSet[str]) -> RuleSet:
    """Return the rules in `files`.

    `checked` are the symbols that the checks can report: a rule for any other symbol would never match, and
    one of them without a rule would be lost. Raises InvalidRulesError with everything that is wrong.
    """
    reading = _Reading()
    for file in files:
        _read(file, reading, checked)
    lost = sorted(checked - reading.rules.keys())
    if lost and not reading.problems:
        named = ", ".join(f.name for f in files) or "no rule file"
        reading.problems += [
            RuleProblem(named, symbol, "a check reports it, but no file has a rule for it")
            for symbol in lost
        ]
    composites = _ordered(reading, checked)
    if reading.problems:
        raise InvalidRulesError(reading.problems)
    return RuleSet(reading.rules, version_of(files), composites)


def _ordered(reading: _Reading, checked: AbstractSet[str]) -> tuple[Composite, ...]:
    known = checked | reading.composites.keys() | reading.rules.keys()
    for symbol, names in unknown_symbols(reading.composites.values(), known).items():
        for name in names:
            problem = f"names `{name}`, which no check and no rule reports"
            reading.problems.append(RuleProblem(reading.files[symbol], symbol, problem))
    composites, circle = in_order(reading.composites.values())
    for symbol in sorted(circle):
        problem = f"asks for itself, by way of {', '.join(sorted(circle))}"
        reading.problems.append(RuleProblem(reading.files[symbol], symbol, problem))
    return composites


def version_of(files: Sequence[RuleFile]) -> str:
    """Return a short hash over names and texts; the order of the files does not matter."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda f: f.name):
        for text in (file.name, file.text):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:VERSION_DIGITS]


def _read(file: RuleFile, reading: _Reading, checked: AbstractSet[str]) -> None:
    for symbol, table, group in _tables_of(file, reading.problems):
        wrong = _wrong_with(symbol, table)
        composite = None
        if not wrong and "expression" in table:
            try:
                composite = _composite(symbol, table)
            except ExpressionError as error:
                wrong.append(f"`expression`, {error}")
        if not wrong:
            wrong += _misplaced(symbol, composite, reading, checked)
        reading.problems += [RuleProblem(file.name, symbol, message) for message in wrong]
        if not wrong:
            _keep(symbol, table, _Place(group, file.name), composite, reading)


class _Place(NamedTuple):
    group: str
    file: str


def _keep(
    symbol: str,
    table: Mapping[str, Any],
    place: _Place,
    composite: Composite | None,
    reading: _Reading,
) -> None:
    reading.files[symbol] = place.file
    if composite is not None:
        reading.composites[symbol] = composite
    if composite is None or composite.scored:
        reading.rules[symbol] = _rule(symbol, table, place.group, place.file)


def _misplaced(
    symbol: str, composite: Composite | None, reading: _Reading, checked: AbstractSet[str]
) -> list[str]:
    if symbol in reading.files:
        return [f"defined twice; the first is in {reading.files[symbol]}"]
    if composite is None and symbol not in checked:
        return ["unknown symbol: no check reports it, and it has no `expression`"]
    if composite is not None and symbol in checked:
        return ["a check reports it already: an expression needs a symbol of its own"]
    return []


def _tables_of(file: RuleFile, problems: list[RuleProblem]) -> Iterator[tuple[str, Any, str]]:
    try:
        document = tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        problems.append(RuleProblem(file.name, "", f"not TOML: {error}"))
        return
    group = document.pop("group", None)
    if not isinstance(group, str) or not _GROUP.fullmatch(group):
        problems.append(RuleProblem(file.name, "", 'needs `group = "name"` at its top'))
        return
    for symbol, table in document.items():
        yield symbol, table, group


def _rule(symbol: str, table: Mapping[str, Any], group: str, file: str) -> Rule:
    reason = table.get("reason")
    return Rule(
        symbol=symbol,
        score=float(table["score"]),
        group=group,
        description=table["description"].strip(),
        reason=Reason(reason) if reason is not None else None,
        file=file,
    )


def _composite(symbol: str, table: Mapping[str, Any]) -> Composite:
    return Composite(
        symbol,
        parse(table["expression"]),
        frozenset(table.get("replaces", ())),
        scored="score" in table,
    )


def _wrong_with(symbol: str, table: Any) -> list[str]:
    if not isinstance(table, dict):
        return ["unknown key: only `group` may stand outside a table"]
    block = "expression" in table and "score" not in table
    keys = _KEYS | _EXPRESSION_KEYS
    wrong = [f"unknown key `{key}`" for key in sorted(table.keys() - keys)]
    if not _SYMBOL.fullmatch(symbol):
        wrong.append("a symbol is 3 to 48 characters of A-Z, 0-9 and _, the first a letter")
    if not block:
        wrong += _wrong_score(table.get("score"))
    description, reason = table.get("description", "" if not block else "-"), table.get("reason")
    if not isinstance(description, str) or not description.strip():
        wrong.append("needs a `description`")
    if reason is not None and reason not in {str(r) for r in Reason}:
        wrong.append(f"`reason` {reason!r} is not one of the known reasons")
    return wrong + _wrong_expression(table)


def _wrong_score(score: Any) -> list[str]:
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return ["needs a number as `score`"]
    return (
        [f"`score` must be from -{MAX_SCORE:g} to {MAX_SCORE:g}"] if abs(score) > MAX_SCORE else []
    )


def _wrong_expression(table: Mapping[str, Any]) -> list[str]:
    if "expression" not in table:
        return ["`replaces` needs an `expression` beside it"] if "replaces" in table else []
    wrong = []
    if not isinstance(table["expression"], str):
        wrong.append("`expression` must be a text")
    replaces = table.get("replaces", [])
    if not isinstance(replaces, list) or not all(isinstance(s, str) for s in replaces):
        wrong.append("`replaces` must be a list of symbols")
    elif replaces and "score" not in table:
        wrong.append("`replaces` needs a `score`: a building block counts nothing itself")
    return wrong
