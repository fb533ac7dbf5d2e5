"""Rules as data: symbol, score, group and description, read from TOML texts and checked as a whole.

A file names its group once and then has a table per symbol:

    group = "headers"

    [MISSING_DATE]
    score = 1.0
    description = "There is no Date header"

`reason` (mailweir_core.reasons.Reason) may stand beside them: it becomes the verdict's reason wherever
the signal is found and the message is not accepted.
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from mailweir_core.reasons import Reason

MAX_SCORE: Final = 1000.0
"""Largest score of a rule in either direction; SpamAssassin's GTUBE has it."""
VERSION_DIGITS: Final = 12

_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{2,47}")
_GROUP: Final = re.compile(r"[a-z][a-z0-9-]{1,31}")
_KEYS: Final = frozenset({"score", "description", "reason"})


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
    """A checked set of rules by symbol; `version` is a short hash of the files it was read from."""

    rules: Mapping[str, Rule]
    version: str

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the groups in the order of their first rule."""
        return tuple(dict.fromkeys(rule.group for rule in self.rules.values()))


@dataclass(slots=True)
class _Reading:
    rules: dict[str, Rule] = field(default_factory=dict)
    problems: list[RuleProblem] = field(default_factory=list)


def read_rules(files: Sequence[RuleFile], checked: AbstractSet[str]) -> RuleSet:
    """Return the rules in `files`.

    `checked` are the symbols that the checks can report: a rule for any other symbol would never match, and
    one of them without a rule would be lost. Raises InvalidRulesError with everything that is wrong.
    """
    reading = _Reading()
    for file in files:
        for rule in _rules_of(file, reading.problems):
            _add(rule, reading, checked)
    lost = sorted(checked - reading.rules.keys())
    if lost and not reading.problems:
        named = ", ".join(f.name for f in files) or "no rule file"
        reading.problems += [
            RuleProblem(named, symbol, "a check reports it, but no file has a rule for it")
            for symbol in lost
        ]
    if reading.problems:
        raise InvalidRulesError(reading.problems)
    return RuleSet(reading.rules, version_of(files))


def version_of(files: Sequence[RuleFile]) -> str:
    """Return a short hash over names and texts; the order of the files does not matter."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda f: f.name):
        for text in (file.name, file.text):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:VERSION_DIGITS]


def _add(rule: Rule, reading: _Reading, checked: AbstractSet[str]) -> None:
    if rule.symbol not in checked:
        problem = "unknown symbol: no check reports it"
    elif rule.symbol in reading.rules:
        problem = f"defined twice; the first is in {reading.rules[rule.symbol].file}"
    else:
        reading.rules[rule.symbol] = rule
        return
    reading.problems.append(RuleProblem(rule.file, rule.symbol, problem))


def _rules_of(file: RuleFile, problems: list[RuleProblem]) -> Iterator[Rule]:
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
        wrong = _wrong_with(symbol, table)
        problems += [RuleProblem(file.name, symbol, message) for message in wrong]
        if not wrong:
            yield _rule(symbol, table, group, file.name)


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


def _wrong_with(symbol: str, table: Any) -> list[str]:
    if not isinstance(table, dict):
        return ["unknown key: only `group` may stand outside a table"]
    wrong = [f"unknown key `{key}`" for key in sorted(table.keys() - _KEYS)]
    if not _SYMBOL.fullmatch(symbol):
        wrong.append("a symbol is 3 to 48 characters of A-Z, 0-9 and _, the first a letter")
    score, description, reason = (table.get(k) for k in ("score", "description", "reason"))
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        wrong.append("needs a number as `score`")
    elif abs(score) > MAX_SCORE:
        wrong.append(f"`score` must be from -{MAX_SCORE:g} to {MAX_SCORE:g}")
    if not isinstance(description, str) or not description.strip():
        wrong.append("needs a `description`")
    if reason is not None and reason not in {str(r) for r in Reason}:
        wrong.append(f"`reason` {reason!r} is not one of the known reasons")
    return wrong
