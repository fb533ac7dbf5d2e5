"""What the session's checks found, as part of the verdict: their signals count here, nothing is asked twice.

The services of the edge value their findings themselves; an own score of the policy still replaces theirs.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.outcome import Outcome, Signal, Status
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.judgement import StageRun
from mailweir_scoring.policy.kit import with_rules
from mailweir_scoring.policy.pipeline import AskingStage
from mailweir_scoring.policy.ruleset import Rule, RuleSet

GROUP: Final = "edge"
GROUPS: Final = frozenset({GROUP, "lists"})
MOST_SCORE: Final = 10.0
"""Most points that one finding of the edge may add or take; no list alone may refuse a message."""
MOST_SIGNALS: Final = 64
ALLOW_UNPROVEN: Final = "ALLOW_UNPROVEN"
"""An allow list names the sender, and the session could not prove that it is the sender."""
ALLOWED_SENDER: Final = "ALLOWED_SENDER"
SYMBOLS: Final = frozenset({ALLOWED_SENDER})


def found(facts: Facts) -> Asking[Found]:
    """Return a hit for each finding; an allowed sender counts as such where its domain is authenticated."""
    yield from ()
    aligned = facts.auth is not None and facts.auth.aligned
    return Found(tuple(_hits(facts.outcomes, aligned=aligned)))


def with_findings(rules: RuleSet, outcomes: Sequence[Outcome]) -> RuleSet:
    """Return the rules and one for each finding that has none."""
    new = {
        signal.name: _rule(signal)
        for signal in _signals(outcomes)
        if signal.name not in rules.rules
    }
    return with_rules(rules, new.values()) if new else rules


def lost(outcomes: Sequence[Outcome]) -> tuple[StageRun, ...]:
    """Return the checks that could not find out, as the verdict names them."""
    return tuple(
        StageRun(outcome.check, outcome.status, outcome.seconds, outcome.detail)
        for outcome in outcomes
        if outcome.status is Status.TEMPERROR
    )


def _hits(outcomes: Sequence[Outcome], *, aligned: bool) -> Iterator[Hit]:
    for signal in _signals(outcomes):
        yield Hit(signal.name, signal.evidence)
        if signal.name == ALLOW_UNPROVEN and aligned:
            yield Hit(ALLOWED_SENDER, signal.evidence)


def _signals(outcomes: Sequence[Outcome]) -> list[Signal]:
    return [signal for outcome in outcomes for signal in outcome.signals][:MOST_SIGNALS]


def _rule(signal: Signal) -> Rule:
    score = min(max(signal.score, -MOST_SCORE), MOST_SCORE)
    group = signal.group if signal.group in GROUPS else GROUP
    return Rule(signal.name, score, group, signal.description, file=GROUP)


STAGE: Final = AskingStage(GROUP, SYMBOLS, found)
