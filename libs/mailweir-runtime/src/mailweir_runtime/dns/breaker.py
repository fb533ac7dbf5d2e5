"""Leaves a zone alone that keeps failing, and tries it again with one question after a while."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ZONE_LABELS: Final = 3
ARPA_LABELS: Final = {"in-addr": 5, "ip6": 14}
"""The reverse zone of a /24 and of a /48: what one provider of addresses usually runs."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    open_until: float = 0.0
    open_for: float = 0.0
    trying: bool = False


class Breakers:
    """One breaker per zone, at most `entries` of them: what has been quiet longest is forgotten."""

    def __init__(
        self, *, failures: int, open_seconds: float, longest_seconds: float, entries: int
    ) -> None:
        """Open after `failures` in a row for `open_seconds`, doubled each time up to `longest_seconds`."""
        self._failures = failures
        self._open_seconds = open_seconds
        self._longest_seconds = longest_seconds
        self._entries = entries
        self._states: OrderedDict[str, _State] = OrderedDict()

    def admits(self, zone: str, now: float) -> bool:
        """Say whether a question may be asked; after an open time, one is let through to find out."""
        state = self._states.get(zone)
        if state is None or state.failures < self._failures:
            return True
        if now < state.open_until or state.trying:
            return False
        state.trying = True
        return True

    def note(self, zone: str, now: float, *, failed: bool) -> None:
        """Take in how a question that was admitted ended."""
        if not failed:
            self._states.pop(zone, None)
            return
        state = self._states.setdefault(zone, _State())
        self._states.move_to_end(zone)
        tried, state.trying = state.trying, False
        if now < state.open_until:
            return  # it was under way when the breaker opened
        state.failures += 1
        if state.failures == self._failures or tried:
            longer = max(self._open_seconds, state.open_for * 2)
            state.open_for = min(longer, self._longest_seconds)
            state.open_until = now + state.open_for
        if len(self._states) > self._entries:
            self._states.popitem(last=False)

    def open_count(self, now: float) -> int:
        """Return how many zones are not asked now."""
        return sum(now < state.open_until for state in self._states.values())


def last_labels(name: str) -> str:
    """Return the zone that a name is taken to be in where nothing is known: its last three labels.

    `2.0.0.127.bl.example.org` and `3.0.0.127.bl.example.org` share a breaker, `a.co.uk` and `b.co.uk` do not.
    """
    count = ZONE_LABELS
    if name.endswith(".arpa"):
        count = ARPA_LABELS.get(name.rsplit(".", 2)[-2], ZONE_LABELS)
    return ".".join(name.rsplit(".", count)[-count:])
