"""From hits to a verdict: scores by rule, caps by group, action by threshold, one reason."""

import math
import re
from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal
from mailweir_core.reasons import Reason
from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.ruleset import Rule, RuleSet

SCORE_DIGITS: Final = 2
"""Scores are rounded to hundredths once, at the end: what is shown is what was compared."""
_ROUNDING: Final = 10.0**-SCORE_DIGITS
"""More than rounding can add to a score."""
EVIDENCE_CHARACTERS: Final = 100
_STRICTNESS: Final = {action: place for place, action in enumerate(Action)}
"""The actions are declared from the mildest to the strictest."""

# C0 and C1 controls, line and paragraph separators, and what turns or hides text on a screen
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+"
)


@dataclass(frozen=True, slots=True)
class GroupSum:
    """What a group's signals add up to, the most it may add (None: no cap), and what was counted of it."""

    group: str
    total: float
    cap: float | None
    counted: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hits amount to. `signals` are heaviest first, their scores before the caps.

    `forced` are those that made the action stricter than the score would.
    """

    score: float
    action: Action
    reason: Reason
    signals: tuple[Signal, ...] = ()
    groups: tuple[GroupSum, ...] = ()
    forced: tuple[str, ...] = ()


def judge(
    hits: Sequence[Hit],
    rules: RuleSet,
    policy: ScoringPolicy,
    silenced: AbstractSet[str] = frozenset(),
) -> Verdict:
    """Return the verdict; the order of the hits makes no difference to it.

    `silenced` symbols are listed and count nothing. A hit whose symbol has no rule raises KeyError: rules are
    checked against the checks at start.
    """
    signals = _signals(hits, rules, policy.signal_scores, silenced)
    groups = _group_sums(signals, policy.cap)
    score = rounded(math.fsum(g.counted for g in groups))
    by_score = policy.thresholds.action(score)
    action, forced = _forced(by_score, hits, policy.signal_scores, silenced)
    reason = _reason(action, signals, rules.rules)
    return Verdict(score, action, reason, signals, groups, forced)


def could_reject(hits: Sequence[Hit], rules: RuleSet, policy: ScoringPolicy) -> bool:
    """Say whether the verdict on these hits may be REJECT; a bound, for a tenth of what the verdict costs."""
    least = policy.thresholds.reject
    own, known, bound = policy.signal_scores, rules.rules, 0.0
    for hit in hits:
        if hit.least is not None:
            return True
        base = own.get(hit.symbol)
        score = (known[hit.symbol].score if base is None else base) * hit.weight
        if score > 0:
            bound += score + _ROUNDING
    return least is not None and bound >= least


def _forced(
    by_score: Action, hits: Sequence[Hit], own: Mapping[str, float], silenced: AbstractSet[str]
) -> tuple[Action, tuple[str, ...]]:
    """Return the strictest action that the score or a hit wants, and the symbols that want more than it."""
    wanted = {
        hit.symbol: hit.least
        for hit in hits
        if hit.least is not None and hit.symbol not in silenced and own.get(hit.symbol) != 0
    }
    stricter = {s: a for s, a in wanted.items() if _STRICTNESS[a] > _STRICTNESS[by_score]}
    action = max(stricter.values(), key=_STRICTNESS.__getitem__, default=by_score)
    return action, tuple(sorted(stricter))


def rounded(score: float) -> float:
    """Return a score as it is compared and shown; never -0.0."""
    return round(score, SCORE_DIGITS) + 0.0


def _signals(
    hits: Sequence[Hit], rules: RuleSet, own: Mapping[str, float], silenced: AbstractSet[str]
) -> tuple[Signal, ...]:
    strongest: dict[str, Hit] = {}
    for hit in hits:
        known = strongest.get(hit.symbol)
        if known is None or (hit.weight, hit.evidence) > (known.weight, known.evidence):
            strongest[hit.symbol] = hit
    found = []
    for symbol, hit in strongest.items():
        if own.get(symbol) == 0:  # switched off by the admin
            continue
        rule = rules.rules[symbol]
        base = own.get(symbol, rule.score)
        score = 0.0 if symbol in silenced else rounded(base * hit.weight)
        found.append(Signal(symbol, score, rule.group, rule.description, clean(hit.evidence)))
    return tuple(sorted(found, key=lambda s: (-s.score, s.name)))


def _group_sums(
    signals: Sequence[Signal], cap_of: Callable[[str], float | None]
) -> tuple[GroupSum, ...]:
    scores: dict[str, list[float]] = {}
    for signal in signals:
        scores.setdefault(signal.group, []).append(signal.score)
    sums = []
    for group in sorted(scores):
        total, cap = math.fsum(scores[group]), cap_of(group)
        sums.append(GroupSum(group, total, cap, total if cap is None else min(total, cap)))
    return tuple(sums)


def _reason(action: Action, signals: Sequence[Signal], rules: Mapping[str, Rule]) -> Reason:
    if action is Action.ACCEPT:
        return Reason.CLEAN
    own = (rules[s.name].reason for s in signals)
    general = Reason.SUSPICIOUS if action is Action.TAG else Reason.SPAM
    return next((reason for reason in own if reason is not None), general)


def clean(text: str, limit: int = EVIDENCE_CHARACTERS) -> str:
    """Return text from a message as one harmless line of at most `limit` characters."""
    # A prefix is enough: white space is collapsed, so far more than the limit is never needed.
    prefix = text[: limit * 8]
    if not prefix.isprintable():  # nothing unsafe is
        prefix = _UNSAFE.sub(" ", prefix)
    line = " ".join(prefix.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
