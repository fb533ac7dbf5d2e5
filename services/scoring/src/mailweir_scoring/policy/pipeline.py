"""The pipeline as data: which stage looks for what, in which order, and when one is not needed.

A check is a pure function from facts to hits that names the symbols it can report. A stage is a list of
checks with one budget and one policy for its failure. A stage that needs answers from outside is a generator
of questions (`mailweir_core.asking`); one that weighs what the others found comes after them. The engine runs
them; nothing here does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.asking import Asking
from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.ruleset import RuleSet

CheckFunction = Callable[[Facts], Iterable[Hit]]
PARSE: Final = "parse"
"""The stage before all others: bytes to facts. The engine does it itself."""
_CAPPED_BY_DEFAULT: Final = frozenset(ScoringPolicy().group_caps)
"""Among them groups whose rules come with the policy or a rule directory, and may be absent."""


@dataclass(frozen=True, slots=True)
class Check:
    """One aspect of a message: the symbols that `run` can report, and the function itself."""

    symbols: frozenset[str]
    run: CheckFunction


def check(*symbols: str) -> Callable[[CheckFunction], Check]:
    """Make a function a check that reports nothing but `symbols`."""

    def make(run: CheckFunction) -> Check:
        return Check(frozenset(symbols), run)

    return make


@dataclass(frozen=True, slots=True)
class Stage:
    """Checks that run together. One that is `costly` is spared where the message is refused anyway."""

    name: str
    checks: tuple[Check, ...]
    costly: bool = False

    @property
    def symbols(self) -> frozenset[str]:
        """Return every symbol that the stage can report."""
        return frozenset().union(*(c.symbols for c in self.checks))

    def run(self, facts: Facts) -> tuple[Hit, ...]:
        """Return what the checks find."""
        return tuple(hit for check in self.checks for hit in check.run(facts))


@dataclass(frozen=True, slots=True)
class AskingStage:
    """A stage that asks the outside: `ask` yields questions, all of one type at a time, and is sent answers.

    `symbols` are those that it reports whatever the policy says; symbols made from the policy or from a rule
    directory have their rules from there.
    """

    name: str
    symbols: frozenset[str]
    ask: Callable[[Facts], Asking[Found]]
    costly: bool = False


@dataclass(frozen=True, slots=True)
class WeighingStage:
    """A stage over what the stages before it found."""

    name: str
    symbols: frozenset[str]
    weigh: Callable[[Facts, Sequence[Hit]], Found]
    costly: bool = False


AnyStage = Stage | AskingStage | WeighingStage


def unknown_names(
    policy: ScoringPolicy, stages: Sequence[AnyStage], rules: RuleSet
) -> tuple[str, ...]:
    """Return what a policy names and nothing here has: stages, groups and signals, misspelt or of old."""
    return (
        *sorted(policy.stages.keys() - {PARSE, *(s.name for s in stages)}),
        *sorted(policy.group_caps.keys() - set(rules.groups) - _CAPPED_BY_DEFAULT),
        *sorted(policy.signal_scores.keys() - rules.rules.keys()),
    )


def symbols_of(stages: Sequence[AnyStage]) -> frozenset[str]:
    """Return every symbol that the stages can report."""
    return frozenset().union(*(s.symbols for s in stages))
