"""Bans in the bus and in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from mailweir_core.bans import Ban, ban_key, dump_ban, load_ban
from mailweir_core.hits import PREFIX, load_hits
from mailweir_ratelimit.ports_bans import StoredBan
from mailweir_runtime.bus.ports import Bus, Entry, RevisionConflict
from mailweir_runtime.bus.topology import BANS, RATES
from mailweir_runtime.logs import get_logger

GRACE_SECONDS: Final = 5.0
"""A ban is stored for so much longer than it holds: nobody's copy loses it before its end."""
MAX_HITS: Final = 1 << 53

_log = get_logger(__name__)


class BusBans:
    """Bans in the bucket `bans`, connections they turned away in `rates` (see `mailweir_core.hits`)."""

    def __init__(self, bus: Bus) -> None:
        """Use a bus."""
        self._bus = bus

    async def get(self, subject: str) -> StoredBan | None:
        """Return the ban of exactly this subject as it is stored now."""
        entry = await (await self._bus.bucket(BANS)).get(ban_key(subject))
        ban = None if entry is None else _ban(entry)
        return None if entry is None or ban is None else StoredBan(ban, entry.revision)

    async def claim(self, ban: Ban, over: StoredBan | None, now: float) -> bool:
        """Store a ban over what was found; False where somebody else has stored one meanwhile."""
        bucket, key, ttl = await self._bus.bucket(BANS), ban_key(ban.subject), ttl_of(ban, now)
        try:
            if over is None:
                await bucket.create(key, dump_ban(ban), ttl_seconds=ttl)
            else:
                await bucket.update(key, dump_ban(ban), over.revision, ttl_seconds=ttl)
        except RevisionConflict:
            return False
        return True

    async def put(self, ban: Ban, now: float) -> None:
        """Store a ban whatever was there."""
        bucket = await self._bus.bucket(BANS)
        await bucket.put(ban_key(ban.subject), dump_ban(ban), ttl_seconds=ttl_of(ban, now))

    async def remove(self, subject: str) -> bool:
        """Remove a ban; says whether there was one."""
        bucket, key = await self._bus.bucket(BANS), ban_key(subject)
        found = await bucket.get(key)
        if found is not None:
            await bucket.delete(key)
        return found is not None

    async def all(self) -> Sequence[Ban]:
        """Return every ban that is stored."""
        entries = await (await self._bus.bucket(BANS)).entries()
        return [ban for ban in map(_ban, entries) if ban is not None]

    async def changes(self) -> AsyncIterator[tuple[str, Ban | None]]:
        """Yield every ban with its key, then each change; None where it was removed or ran out."""
        bucket = await self._bus.bucket(BANS)
        async for entry in bucket.watch():
            yield entry.key, _ban(entry)

    async def hits(self) -> Mapping[str, int]:
        """Return how many connections each ban has turned away, by the ban's key."""
        found: dict[str, int] = {}
        for entry in await (await self._bus.bucket(RATES)).entries(PREFIX):
            key = entry.key.removeprefix(PREFIX).partition(".")[0]
            found[key] = min(found.get(key, 0) + _count(entry), MAX_HITS)
        return found


class MemoryBans:
    """Bans in a dictionary."""

    def __init__(self) -> None:
        """Begin with none."""
        self.turned_away: dict[str, int] = {}
        self._stored: dict[str, StoredBan] = {}
        self._log: list[tuple[str, Ban | None]] = []
        self._changed = asyncio.Event()

    async def get(self, subject: str) -> StoredBan | None:
        """Return the ban of exactly this subject as it is stored now."""
        return self._stored.get(subject)

    async def claim(self, ban: Ban, over: StoredBan | None, now: float) -> bool:
        """Store a ban over what was found; False where somebody else has stored one meanwhile."""
        found = self._stored.get(ban.subject)
        if (found and found.revision) != (over and over.revision):
            return False
        await self.put(ban, now)
        return True

    async def put(self, ban: Ban, now: float) -> None:
        """Store a ban whatever was there."""
        del now
        self._note(ban.subject, ban)
        self._stored[ban.subject] = StoredBan(ban, len(self._log))

    async def remove(self, subject: str) -> bool:
        """Remove a ban; says whether there was one."""
        if self._stored.pop(subject, None) is None:
            return False
        self._note(subject, None)
        return True

    def _note(self, subject: str, ban: Ban | None) -> None:
        self._log.append((ban_key(subject), ban))
        self._changed.set()
        self._changed = asyncio.Event()

    async def all(self) -> Sequence[Ban]:
        """Return every ban that is stored."""
        return [stored.ban for stored in self._stored.values()]

    async def changes(self) -> AsyncIterator[tuple[str, Ban | None]]:
        """Yield every ban with its key, then each change; None where it was removed."""
        position = len(self._log)
        for subject, stored in list(self._stored.items()):
            yield ban_key(subject), stored.ban
        while True:
            while position < len(self._log):
                position += 1
                yield self._log[position - 1]
            await self._changed.wait()

    async def hits(self) -> Mapping[str, int]:
        """Return how many connections each ban has turned away, by the ban's key."""
        return dict(self.turned_away)


def ttl_of(ban: Ban, now: float) -> float:
    """Return for how long a ban is stored, in seconds; 0 for ever."""
    return max(ban.until - now, 0.0) + GRACE_SECONDS if ban.until else 0.0


def _ban(entry: Entry) -> Ban | None:
    if entry.value is None:
        return None
    try:
        ban = load_ban(entry.value)
    except ValueError as error:
        _log.warning("ban_unreadable", key=entry.key, error=str(error))
        return None
    return ban if ban_key(ban.subject) == entry.key else None


def _count(entry: Entry) -> int:
    try:
        return load_hits(entry.value or b"").count
    except ValueError as error:
        _log.warning("hits_unreadable", key=entry.key, error=str(error))
        return 0
