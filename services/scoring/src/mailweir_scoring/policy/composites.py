"""The last stage: rules that are expressions over what the other stages found and what the message says."""

from collections.abc import Sequence, Set as AbstractSet
from functools import partial

from mailweir_scoring.policy.composition import Composite
from mailweir_scoring.policy.expressions import holds, symbols_in
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.pipeline import WeighingStage
from mailweir_scoring.policy.values import values_of


def weigh(facts: Facts, hits: Sequence[Hit]) -> Found:
    """Return the composites that hold, and the symbols that they stand for.

    A symbol that the policy switched off is not there for any expression either.
    """
    switched_off = {s for s, score in facts.policy.signal_scores.items() if score == 0}
    found = {hit.symbol for hit in hits} - switched_off
    made: list[Hit] = []
    silenced: set[str] = set()
    look = partial(values_of, facts)
    for composite in facts.kit.rules.composites:
        # Most composites need a symbol that most messages do not have; looking at their trees takes longer.
        if any(map(found.isdisjoint, composite.needs)) or composite.symbol in switched_off:
            continue
        if not holds(composite.condition, found, look):
            continue
        found.add(composite.symbol)
        if composite.scored:
            made.append(Hit(composite.symbol, evidence_of(composite, found)))
            silenced |= composite.replaces
    return Found(tuple(made), silenced=frozenset(silenced))


def evidence_of(composite: Composite, found: AbstractSet[str]) -> str:
    """Return the symbols that a composite came about by."""
    named = dict.fromkeys(symbols_in(composite.condition))
    return ", ".join(symbol for symbol in named if symbol in found)


COMPOSITES = WeighingStage("composites", frozenset(), weigh)
