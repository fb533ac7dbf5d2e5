"""What intrusion prevention needs from outside: where bans lie, who is on allow lists."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailweir_core.bans import Ban
from mailweir_core.net import Network
from mailweir_ratelimit.ports import Cells


@dataclass(frozen=True, slots=True)
class StoredBan:
    """A ban and the revision that it is stored at."""

    ban: Ban
    revision: int


class Bans(Protocol):
    """Where bans lie. Every method raises BusError where the store is away."""

    async def get(self, subject: str) -> StoredBan | None:
        """Return the ban of exactly this subject as it is stored now."""
        ...

    async def claim(self, ban: Ban, over: StoredBan | None, now: float) -> bool:
        """Store a ban over what was found; False where somebody else has stored one meanwhile."""
        ...

    async def put(self, ban: Ban, now: float) -> None:
        """Store a ban whatever was there."""
        ...

    async def remove(self, subject: str) -> bool:
        """Remove a ban; says whether there was one."""
        ...

    async def all(self) -> Sequence[Ban]:
        """Return every ban that is stored."""
        ...

    def changes(self) -> AsyncIterator[tuple[str, Ban | None]]:
        """Yield every ban with its key, then each change; None where it was removed or ran out."""
        ...

    async def hits(self) -> Mapping[str, int]:
        """Return how many connections each ban has turned away, by the ban's key."""
        ...


class AllowedNetworks(Protocol):
    """Knows the networks that are on the system's allow lists."""

    def current(self, now: float) -> tuple[Network, ...]:
        """Return them; the same object as long as nothing has changed."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where things lie: bans, counts that may be lost with the broker, strikes that may not, allow lists."""

    bans: Bans
    counts: Cells
    strikes: Cells
    allowed: AllowedNetworks
