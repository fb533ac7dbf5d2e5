"""Counts of copies in a sliding window, those of this process and what the others have told.

Each process counts for itself and tells the others what it saw more than once; what all told is added.
So nobody writes to another's numbers, nothing is lost to a conflict, and asking costs no more than looking
into a few tables. A window is two slots of its length: the present one counts in full, the one before for
the part of it that the window still covers.
"""

import heapq
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mailweir_scoring.policy.campaign.model import CampaignQuestion, copies_of

MOST_KEYS: Final = 50_000
"""Keys of one slot that are counted here; when there are more, those seen once are forgotten."""
MOST_TOLD: Final = 2000
"""Keys of one slot that others are told of, those with the most copies."""
MOST_HEARD: Final = 64 * 1024
"""Keys of one slot that are kept of all the others together."""
LEAST_TOLD: Final = 2
"""What was seen once is most of all mail, and no campaign yet."""

Slots = dict[int, Counter[str]]


@dataclass(frozen=True, slots=True)
class Told:
    """What one process tells: the window's length in seconds, and counts by key of each slot."""

    window: float
    slots: Mapping[int, Mapping[str, int]]


@dataclass(slots=True)
class Tally:
    """The counts. `changed` says whether there is anything new to tell."""

    window: float = 0.0
    changed: bool = False
    _own: Slots = field(default_factory=dict)
    _heard: Slots = field(default_factory=dict)
    _told: dict[str, Told] = field(default_factory=dict)

    def count(self, question: CampaignQuestion) -> int:
        """Count one mail; return how many copies of it there are, itself included."""
        if question.window != self.window:
            self._begin(question.window)
        slot = int(question.at // self.window)
        self._forget_before(slot - 1)
        own = self._own.setdefault(slot, Counter())
        for key in {key for family in question.families for key in family}:
            own[key] += 1
            self.changed |= own[key] >= LEAST_TOLD
        if len(own) > MOST_KEYS:
            self._own[slot] = _thinned(own)
        part = 1.0 - question.at % self.window / self.window
        return max(
            1,
            copies_of([self._copies(key, slot, part) for key in f] for f in question.families),
        )

    def _copies(self, key: str, slot: int, part: float) -> int:
        now = sum(slots[slot][key] for slots in (self._own, self._heard) if slot in slots)
        before = sum(
            slots[slot - 1][key] for slots in (self._own, self._heard) if slot - 1 in slots
        )
        return now + int(before * part)

    def tell(self) -> Told:
        """Return what the others should know; nothing is new then."""
        self.changed = False
        return Told(self.window, {slot: _strongest(counts) for slot, counts in self._own.items()})

    def hear(self, who: str, told: Told | None) -> None:
        """Take what another process tells in place of what it told before; None: it is gone."""
        before = self._told.pop(who, None)
        if before is not None and before.window == self.window:
            for slot, counts in before.slots.items():
                _take_back(self._heard.setdefault(slot, Counter()), counts)
        if told is not None:
            self._told[who] = told
            self._add(told)

    def _add(self, told: Told) -> None:
        if told.window != self.window:
            return
        for slot, counts in told.slots.items():
            heard = self._heard.setdefault(slot, Counter())
            heard.update(counts)
            if len(heard) > MOST_HEARD:
                self._heard[slot] = _thinned(heard)

    def _begin(self, window: float) -> None:
        """Count anew: numbers of another window say nothing of this one."""
        self.window = window
        self._own, self._heard = {}, {}
        for told in self._told.values():
            self._add(told)

    def _forget_before(self, oldest: int) -> None:
        for slots in (self._own, self._heard):
            for slot in [s for s in slots if s < oldest]:
                del slots[slot]


def _take_back(heard: Counter[str], counts: Mapping[str, int]) -> None:
    """Subtract in place: the table is large and what one process told is not."""
    for key, number in counts.items():
        if heard[key] > number:
            heard[key] -= number
        else:
            heard.pop(key, None)


def _thinned(counts: Counter[str]) -> Counter[str]:
    """Return half of the keys at most, those with the most copies."""
    repeated = {key: n for key, n in counts.items() if n >= LEAST_TOLD}
    if len(repeated) > len(counts) // 2:
        repeated = dict(counts.most_common(len(counts) // 2))
    return Counter(repeated)


def _strongest(counts: Counter[str]) -> dict[str, int]:
    repeated = ((n, key) for key, n in counts.items() if n >= LEAST_TOLD)
    return {key: n for n, key in heapq.nlargest(MOST_TOLD, repeated)}


def dump(told: Told) -> bytes:
    """Return the stored form."""
    slots = {str(slot): dict(counts) for slot, counts in told.slots.items()}
    return json.dumps({"window": told.window, "slots": slots}, separators=(",", ":")).encode()


def load(value: bytes) -> Told | None:
    """Return what is stored, or None where that is not of this form."""
    try:
        document = json.loads(value)
        slots = {int(slot): _counts(counts) for slot, counts in document["slots"].items()}
        return Told(float(document["window"]), slots)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(key): max(0, int(n)) for key, n in list(counts.items())[:MOST_TOLD]}
