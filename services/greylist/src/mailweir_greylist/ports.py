"""What the service asks of the outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.forecast import Counts


class StoreLost(Exception):
    """Raised when the store does not answer; nothing is known of what was asked."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it is stored; `revision` 0 where there is nothing. What cannot be read is no entry."""

    entry: Entry | None = None
    revision: int = 0


ABSENT: Final = Kept()


class Store(Protocol):
    """Where entries are kept, shared by all processes. Every method raises StoreLost."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Kept]:
        """Return what is stored under each key."""
        ...

    async def write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
        """Store an entry over exactly what was read; False where it is another one by now."""
        ...

    async def delete(self, key: str) -> None:
        """Forget an entry; no error where there is none."""
        ...

    async def first_start(self, now: float) -> float:
        """Return when the service was first started, seconds since the epoch: `now` if this is it."""
        ...

    async def counts(self) -> Counts:
        """Return what all processes have counted."""
        ...

    async def add(self, counts: Counts) -> None:
        """Add to what all processes have counted."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Entries by key, the newest first, and where the next page begins; 0 at the end."""

    entries: tuple[tuple[str, Entry], ...]
    before: int = 0


class Listing(Protocol):
    """The entries as people look through them."""

    async def page(
        self, *, state: State | None, text: str, limit: int, before: int, now: float
    ) -> Page:
        """Return up to `limit` entries last written before revision `before` (0: the newest)."""
        ...

    def count(self, state: State) -> int:
        """Return how many entries are in a state."""
        ...
