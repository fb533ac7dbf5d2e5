"""The rules that follow from the lists of a policy: a symbol for each list, and one for each named answer."""

from collections.abc import Iterator
from typing import Final

from mailweir_policy.answers import describe, symbol_of
from mailweir_policy.lists import ListsPolicy, ListZone
from mailweir_scoring.policy.ruleset import Rule

GROUP: Final = "lists"


def rules_of(policy: ListsPolicy) -> tuple[Rule, ...]:
    """Return the rules of all lists that may be asked."""
    return tuple(rule for zone in policy.zones if zone.active for rule in _rules(zone))


def _rules(zone: ListZone) -> Iterator[Rule]:
    if not zone.codes:
        yield Rule(symbol_of(zone), zone.score, GROUP, describe(zone), file="policy")
    for code in zone.codes:
        yield Rule(symbol_of(zone, code), code.score, GROUP, describe(zone, code), file="policy")
