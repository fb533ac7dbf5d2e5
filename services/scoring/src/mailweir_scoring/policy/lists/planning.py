"""Which questions are asked of which list, within the caps."""

from collections.abc import Iterable, Sequence

from mailweir_policy.lists import ListCheck, ListsPolicy, ListZone
from mailweir_scoring.policy.lists.answers import ListQuery
from mailweir_scoring.policy.lists.items import Item


def plan(items: Iterable[Item], policy: ListsPolicy) -> tuple[ListQuery, ...]:
    """Return the questions, each once, in the order of the items and at most `policy.queries`."""
    received = _received_zones(policy)
    asked: dict[tuple[str, str], ListQuery] = {}
    for item in items:
        for zone in policy.zones:
            if len(asked) >= policy.queries:
                return tuple(asked.values())
            key = (item.name, zone.name)
            if key not in asked and _wants(zone, item, received):
                asked[key] = ListQuery(
                    item.name, zone, item.shown, policy.mute_seconds, policy.mute_longest_seconds
                )
    return tuple(asked.values())


def asks_anything(policy: ListsPolicy) -> bool:
    """Say whether there is a list to ask; the message is not looked at for none."""
    return policy.queries > 0 and any(zone.active for zone in policy.zones)


def _received_zones(policy: ListsPolicy) -> frozenset[str]:
    named: Sequence[str] = [
        zone.name for zone in policy.zones if zone.active and ListCheck.RECEIVED in zone.checks
    ]
    return frozenset(named[: policy.received_zones])


def _wants(zone: ListZone, item: Item, received: frozenset[str]) -> bool:
    if not zone.active or item.check not in zone.checks or item.kind not in zone.kinds:
        return False
    return item.check is not ListCheck.RECEIVED or zone.name in received
