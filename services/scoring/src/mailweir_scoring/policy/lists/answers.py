"""A question to a list, as a stage asks it."""

from dataclasses import dataclass

from mailweir_policy.lists import ListZone


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Whether `item` is in a list. The item is as the DNS has it: reversed address, domain or hash."""

    item: str
    zone: ListZone
    shown: str
    """The item for people."""
    mute_seconds: float = 300.0
    mute_longest: float = 3600.0
