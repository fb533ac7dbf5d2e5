"""What records say: a class for the client, and points for its mail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mailweir_core.client import ClientClass
from mailweir_policy.reputation import HistoryPolicy
from mailweir_reputation.policy.history.keys import Key, Kind
from mailweir_reputation.policy.history.record import Record, bad_siblings, faded

WEIGHTS: Final = MappingProxyType(
    {
        Kind.SENDER: 10.0,
        Kind.IP: 4.0,
        Kind.NET: 2.0,
        Kind.DOMAIN: 2.0,
        Kind.ASN: 0.5,
        Kind.HELO: 0.5,
    }
)
"""How much each kind of key counts beside the others."""
FULL_WEIGHT: Final = 6.0
"""Weight from which records say all that they say; a lone HELO name says a twelfth of it."""
NET_FACTOR: Final = 4.0
"""A network needs so many times the messages before it says something of an address that was never seen."""
NEVER_GOOD: Final = frozenset({Kind.DOMAIN, Kind.HELO})
"""Without proof anybody may say these: they only ever speak against a message."""

Known = tuple[Key, Record | None]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What all records say: `points` between minus and plus the policy's weight, and what said most."""

    points: float = 0.0
    evidence: str = ""


def class_of(key: Key, record: Record | None, now: float, rules: HistoryPolicy) -> ClientClass:
    """Return what one record says of whom it is about."""
    if record is None:
        return ClientClass.NONE
    if bad_siblings(record, now, rules.forget_seconds) >= rules.bad_siblings:
        return ClientClass.BAD
    current = faded(record, now, rules.half_life_seconds)
    if current.messages < rules.least_messages * (NET_FACTOR if key.kind is Kind.NET else 1.0):
        return ClientClass.NONE
    if current.share >= rules.bad_share:
        return ClientClass.BAD
    return ClientClass.GOOD if current.share <= rules.good_share else ClientClass.NONE


def class_of_client(known: Iterable[Known], now: float, rules: HistoryPolicy) -> ClientClass:
    """Return a client's class: by itself, or else by the network around it; never by its provider."""
    for key, record in known:
        if key.kind is Kind.IP and _says_something(record, now, rules):
            return class_of(key, record, now, rules)
        if key.kind in (Kind.IP, Kind.NET):
            found = class_of(key, record, now, rules)
            if found is not ClientClass.NONE:
                return found
    return ClientClass.NONE


def is_good_sender(known: Iterable[Known], now: float, rules: HistoryPolicy) -> bool:
    """Say whether the sender or its domain, with proof, has sent next to nothing but wanted mail."""
    return any(
        key.proven and class_of(key, record, now, rules) is ClientClass.GOOD
        for key, record in known
    )


def opinion_of(known: Iterable[Known], now: float, rules: HistoryPolicy) -> Opinion:
    """Return what all records say together: their weighted mean, from -1 (wanted) to 1 (spam)."""
    said = [one for key, record in known if (one := _say(key, record, now, rules)) is not None]
    weight = sum(each.weight for each in said)
    if not weight:
        return Opinion()
    total = sum(each.weight * each.value for each in said)
    points = rules.weight * total / max(weight, FULL_WEIGHT)
    return Opinion(points, _evidence(said, points))


@dataclass(frozen=True, slots=True)
class _Said:
    weight: float
    value: float
    evidence: str


def _say(key: Key, record: Record | None, now: float, rules: HistoryPolicy) -> _Said | None:
    if record is None:
        return None
    weight = WEIGHTS[key.kind]
    if bad_siblings(record, now, rules.forget_seconds) >= rules.bad_siblings:
        return _Said(weight, 1.0, f"{key.text}: {len(record.siblings)} bad networks")
    current = faded(record, now, rules.half_life_seconds)
    value = 2.0 * current.share - 1.0
    if current.messages < rules.least_messages or (value < 0 and _anybodys(key)):
        return None
    return _Said(weight, value, f"{key.text}: {current.spam:.0f} of {current.messages:.0f} spam")


def _anybodys(key: Key) -> bool:
    return key.kind in NEVER_GOOD and not key.proven


def _says_something(record: Record | None, now: float, rules: HistoryPolicy) -> bool:
    if record is None:
        return False
    return faded(record, now, rules.half_life_seconds).messages >= rules.least_messages


def _evidence(said: Sequence[_Said], points: float) -> str:
    """Return what the record says that did most for the points."""
    return max(
        said, key=lambda each: each.weight * each.value * (1 if points >= 0 else -1)
    ).evidence
