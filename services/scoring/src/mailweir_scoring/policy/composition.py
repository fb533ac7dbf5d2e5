"""Rules as expressions: what they ask for, and in which order they must be decided."""

from collections.abc import Iterable, Mapping, Set as AbstractSet
from dataclasses import dataclass, field

from mailweir_scoring.policy.expressions import Condition, needs_of, symbols_in


@dataclass(frozen=True, slots=True)
class Composite:
    """A rule with an expression. `replaces` are the symbols that count nothing where it is found.

    Without a score (`scored` False) it is a building block for others and never reported.
    """

    symbol: str
    condition: Condition
    replaces: frozenset[str] = frozenset()
    scored: bool = True
    needs: tuple[frozenset[str], ...] = field(init=False, repr=False, compare=False)
    """Sets of symbols: where one has none that is found, the condition is not asked."""

    def __post_init__(self) -> None:
        """Work out once what would be asked of each message."""
        object.__setattr__(self, "needs", needs_of(self.condition))


def in_order(composites: Iterable[Composite]) -> tuple[tuple[Composite, ...], frozenset[str]]:
    """Return the composites, each after those it asks for, and the symbols of those that ask in a circle."""
    waiting = {c.symbol: c for c in composites}
    asked = {s: frozenset(symbols_in(c.condition)) & waiting.keys() for s, c in waiting.items()}
    ordered: list[Composite] = []
    while ready := [s for s in waiting if not asked[s] & waiting.keys()]:
        ordered += [waiting.pop(s) for s in ready]
    return tuple(ordered), frozenset(waiting)


def unknown_symbols(
    composites: Iterable[Composite], known: AbstractSet[str]
) -> Mapping[str, list[str]]:
    """Return, by composite, the symbols that it names and nobody reports."""
    found: dict[str, list[str]] = {}
    for composite in composites:
        named = {*symbols_in(composite.condition), *composite.replaces}
        if missing := sorted(named - known):
            found[composite.symbol] = missing
    return found
