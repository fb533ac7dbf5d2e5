"""The rules that follow from the lists of a policy: a symbol for each list, and one for each named answer."""

from collections.abc import Iterator
from typing import Final

from mailweir_policy.lists import ListCode, ListsPolicy, ListZone
from mailweir_scoring.policy.ruleset import Rule

GROUP: Final = "lists"


def symbol_of(zone: ListZone, code: ListCode | None = None) -> str:
    """Return the signal's name of a listing: `LIST_<NAME>`, or `LIST_<NAME>_<CODE>`."""
    name = zone.name if code is None else f"{zone.name}_{code.name}"
    return f"LIST_{name.upper().replace('-', '_')}"


def rules_of(policy: ListsPolicy) -> tuple[Rule, ...]:
    """Return the rules of all lists that may be asked."""
    return tuple(rule for zone in policy.zones if zone.active for rule in _rules(zone))


def _rules(zone: ListZone) -> Iterator[Rule]:
    if not zone.codes:
        yield Rule(symbol_of(zone), zone.score, GROUP, f"Listed by {zone.title}", file="policy")
    for code in zone.codes:
        text = code.description or f"Listed by {zone.title} as {code.name}"
        yield Rule(symbol_of(zone, code), code.score, GROUP, text, file="policy")
