"""What the acquaintances need of the outside: lists, histories, correspondents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mailweir_reputation.policy.history.record import Record
from mailweir_reputation.policy.index import EntryIndex

Change = Callable[[Record | None], Record]
"""From the record that is there to the one that shall be; pure, since it may run more than once."""


class Entries(Protocol):
    """The entries of allow and block lists."""

    @property
    def index(self) -> EntryIndex:
        """Return the index of the entries in force; hot data, so ask for it anew each time."""
        ...


class HitCounter(Protocol):
    """Counts how often each entry decided something."""

    def count(self, entry_id: str, now: float) -> None:
        """Count a hit; never waits."""
        ...


class HistoryStore(Protocol):
    """Records by key, and keys that are only known or not. Methods raise BusError where it is away."""

    async def read(self, keys: Sequence[str]) -> Sequence[Record | None]:
        """Return the records, in order; they may be some seconds old."""
        ...

    async def change(self, changes: Mapping[str, Change], seconds: float) -> Mapping[str, Record]:
        """Apply each change to the newest record of its key, exactly once; returns what is there now.

        A record that its change leaves alone is not written. `seconds`: how long one lives after a write.
        """
        ...

    async def remember(self, keys: Sequence[str], seconds: float) -> None:
        """Know keys for so long from now."""
        ...

    async def remembered(self, keys: Sequence[str]) -> Sequence[bool]:
        """Say of each key whether it is known; the answer may be some seconds old."""
        ...
