"""What a verdict hangs on: the smallest set of signals without which the action would be another."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal
from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.verdict import GroupSum, Verdict, rounded

MOST: Final = 12
"""Where more signals than this would have to go, no small set explains the verdict."""


class _Plan(NamedTuple):
    """What is left of the score when so many of each group's strongest signals are gone."""

    score: float
    names: tuple[str, ...]


def counterfactual(verdict: Verdict, policy: ScoringPolicy) -> tuple[str, ...]:
    """Return the names of the signals, strongest first; empty where there is no such set.

    For a message that is stopped or marked these are the fewest findings against it without which it would
    be treated more mildly; for an accepted one the fewest in its favour without which it would not be. Group
    caps count: what a cap cuts off anyway must go as well.
    """
    if verdict.forced:  # the score alone would have been milder, with them or without
        return verdict.forced
    accepted = verdict.action is Action.ACCEPT
    sign = -1.0 if accepted else 1.0
    plans = [_Plan(0.0, ())]
    for group in verdict.groups:
        own = [s for s in verdict.signals if s.group == group.group and s.score * sign > 0]
        plans = _joined(plans, _without(group, own, sign), sign)
    for plan in plans[1:]:
        if policy.thresholds.action(rounded(plan.score)) is not verdict.action:
            return tuple(s.name for s in verdict.signals if s.name in plan.names)
    return ()


def _without(group: GroupSum, signals: Sequence[Signal], sign: float) -> list[_Plan]:
    """Return what the group counts when its n strongest signals are gone, by n."""
    strongest = sorted(signals, key=lambda s: -s.score * sign)[:MOST]
    lost = accumulate((s.score for s in strongest), initial=0.0)
    names = [s.name for s in strongest]
    return [
        _Plan(_capped(group.total - less, group.cap), tuple(names[:n]))
        for n, less in enumerate(lost)
    ]


def _capped(total: float, cap: float | None) -> float:
    return total if cap is None else min(total, cap)


def _joined(plans: Sequence[_Plan], group: Sequence[_Plan], sign: float) -> list[_Plan]:
    """Return the best plan for each number of signals, over the groups so far and one more."""
    if len(group) == 1:  # none of its signals can go
        return [_Plan(plan.score + group[0].score, plan.names) for plan in plans]
    most = min(len(plans) + len(group) - 2, MOST)
    return [_best(plans, group, n, sign) for n in range(most + 1)]


def _best(plans: Sequence[_Plan], group: Sequence[_Plan], count: int, sign: float) -> _Plan:
    """Return the best way of so many: some of the group's, the others of those before."""
    ways = range(max(0, count - len(plans) + 1), min(count, len(group) - 1) + 1)
    scores = [(plans[count - own].score + group[own].score) * sign for own in ways]
    own = ways[scores.index(min(scores))]
    before, here = plans[count - own], group[own]
    return _Plan(before.score + here.score, before.names + here.names)
