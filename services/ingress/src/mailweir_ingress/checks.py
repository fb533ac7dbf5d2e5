"""The checks that other services answer, and what stands in a record for those that nobody asked."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Final

from mailweir_core.outcome import Advice, Outcome, Signal, Status

CHECKS: Final = ("reputation", "greylist", "ratelimit")
"""In the order a session meets them."""

ABSENT: Final = tuple(Outcome(name, Status.SKIPPED, detail="not deployed") for name in CHECKS)
"""What they say of every message while their services are not there: skipped, as the policy declares."""

NOT_ASKED: Final = tuple(Outcome(name, Status.SKIPPED, detail="not asked") for name in CHECKS)
"""What stands for a service that had nothing to be asked: the client is known, or the check is off."""

MAX_SIGNALS: Final = 64
"""Signals of one check that a record keeps; each recipient may bring some."""
MAX_LOOKUPS: Final = 100

_WEIGHT: Final = {Status.TEMPERROR: 3, Status.HIT: 2, Status.OK: 1, Status.SKIPPED: 0}
_HARDNESS: Final = {advice: n for n, advice in enumerate(Advice)}


def recorded(outcomes: Iterable[Outcome], deployed: Container[str]) -> tuple[Outcome, ...]:
    """Return one outcome for each check, of all that a session's phases and recipients brought."""
    by_check: dict[str, dict[int, Outcome]] = {}
    for outcome in outcomes:
        by_check.setdefault(outcome.check, {})[id(outcome)] = outcome
    return tuple(
        _summed([*by_check[name].values()])
        if name in by_check
        else (NOT_ASKED if name in deployed else ABSENT)[n]
        for n, name in enumerate(CHECKS)
    )


def absent(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Return the checks that nobody was there to answer, the service not being deployed."""
    return tuple(o.check for o in outcomes if any(o is one for one in ABSENT))


def of_recipients(answers: Sequence[Sequence[Outcome]]) -> tuple[Outcome, ...]:
    """Return what was said of a message's recipients, of which `answers` has one sequence each.

    A finding that not every one of them has is named and counts nothing: what one recipient lets in or keeps
    out is no ground for the mail of another.
    """
    shared = [{s.name for outcome in each for s in outcome.signals} for each in answers]
    common = set.intersection(*shared) if shared else set()
    return tuple(_counted(outcome, common) for each in answers for outcome in each)


def telling(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Return those that a verdict on the content counts or names: with signals, or without an answer."""
    return tuple(o for o in outcomes if o.signals or o.status is Status.TEMPERROR)


def worst(outcomes: Iterable[Outcome]) -> Status:
    """Return the status that says most of several outcomes; SKIPPED of none."""
    return max((o.status for o in outcomes), key=_WEIGHT.__getitem__, default=Status.SKIPPED)


def _counted(outcome: Outcome, common: set[str]) -> Outcome:
    if all(s.name in common or not s.score for s in outcome.signals):
        return outcome
    signals = tuple(s if s.name in common else replace(s, score=0.0) for s in outcome.signals)
    return replace(outcome, signals=signals)


def _summed(outcomes: list[Outcome]) -> Outcome:
    """Return several outcomes of a check as one: what is worst of each, every signal once."""
    if len(outcomes) == 1:
        return outcomes[0]
    worst = max(outcomes, key=lambda o: _WEIGHT[o.status])
    hardest = max(outcomes, key=lambda o: (o.reason is not None, _HARDNESS[o.advice]))
    signals: dict[str, Signal] = {}
    for signal in (signal for outcome in outcomes for signal in outcome.signals):
        before = signals.get(signal.name)
        if before is None or abs(signal.score) > abs(before.score):
            signals[signal.name] = signal
    return Outcome(
        worst.check,
        worst.status,
        signals=tuple(signals.values())[:MAX_SIGNALS],
        advice=hardest.advice,
        reason=hardest.reason,
        detail=worst.detail if worst.status is Status.TEMPERROR else hardest.detail,
        lookups=tuple(lookup for o in outcomes for lookup in o.lookups)[:MAX_LOOKUPS],
        seconds=max(o.seconds for o in outcomes),
    )
