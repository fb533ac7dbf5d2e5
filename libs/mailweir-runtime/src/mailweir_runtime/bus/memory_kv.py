"""Buckets and bodies in memory."""

import asyncio
import hashlib
import heapq
import math
from collections.abc import AsyncIterator, Callable, Sequence

from mailweir_core.clock import Clock
from mailweir_runtime.bus.matching import check_key, check_ttl
from mailweir_runtime.bus.ports import Entry, RevisionConflict, StoredBody
from mailweir_runtime.bus.topology import BucketSpec

POLL_SECONDS = 0.01
"""How often a watch looks for entries that ran out."""


class MemoryKeyValue:
    """A bucket of keys with revisions; deleted and expired keys keep a revision, as in the broker."""

    def __init__(self, spec: BucketSpec, clock: Clock, check: Callable[[], None]) -> None:
        """Begin empty; `check` raises while the bus is away."""
        self._check = check
        self._spec = spec
        self._clock = clock
        self._revision = 0
        self._entries: dict[str, Entry] = {}
        self._ends: list[tuple[float, int, str]] = []
        self._log: list[Entry] = []
        self._changed = asyncio.Event()

    def _store(self, key: str, value: bytes | None, ttl_seconds: float = 0.0) -> int:
        seconds = float(check_ttl(self._spec, ttl_seconds))
        self._revision += 1
        entry = Entry(check_key(key), value, self._revision)
        self._entries[key] = entry
        self._log.append(entry)
        lives = min(t or math.inf for t in (seconds, self._spec.ttl_seconds))
        if value is not None and lives < math.inf:
            heapq.heappush(self._ends, (self._clock.now() + lives, self._revision, key))
        self._changed.set()
        self._changed = asyncio.Event()
        return self._revision

    def _expire(self) -> None:
        now = self._clock.now()
        while self._ends and self._ends[0][0] <= now:
            _, revision, key = heapq.heappop(self._ends)
            if self._entries[key].revision == revision:
                self._store(key, None)

    async def get(self, key: str) -> Entry | None:
        """Return the newest value, or None where there is none."""
        self._check()
        self._expire()
        entry = self._entries.get(check_key(key))
        return None if entry is None or entry.value is None else entry

    async def get_many(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        """Return the newest value of each key in the order asked, None where there is none."""
        return [await self.get(key) for key in keys]

    async def put(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value whatever was there; returns its revision."""
        self._check()
        return self._store(key, value, ttl_seconds)

    async def create(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value where there is none; raises RevisionConflict otherwise."""
        check_ttl(self._spec, ttl_seconds)
        if await self.get(key) is not None:
            raise RevisionConflict(f"{self._spec.name}: key {key} exists")
        return self._store(key, value, ttl_seconds)

    async def update(
        self, key: str, value: bytes, revision: int, *, ttl_seconds: float = 0.0
    ) -> int:
        """Store a value over exactly that revision; raises RevisionConflict otherwise."""
        check_ttl(self._spec, ttl_seconds)
        entry = await self.get(key)
        if entry is None or entry.revision != revision:
            raise RevisionConflict(f"{self._spec.name}: key {key} is not at revision {revision}")
        return self._store(key, value, ttl_seconds)

    async def delete(self, key: str) -> None:
        """Remove a key; no error where there is none."""
        if await self.get(key) is not None:
            self._store(key, None)

    async def entries(self, prefix: str = "") -> Sequence[Entry]:
        """Return the live entries whose key begins so, by key."""
        self._check()
        return self._live(prefix)

    def _live(self, prefix: str) -> list[Entry]:
        self._expire()
        found = (e for e in self._entries.values() if e.key.startswith(prefix))
        return sorted((e for e in found if e.value is not None), key=lambda e: e.key)

    async def changes(self, after: int, most: int = 500) -> Sequence[Entry]:
        """Return keys written or deleted after a revision, oldest first; none where that was the newest."""
        self._check()
        self._expire()
        told = (e for e in self._entries.values() if e.revision > after)
        return heapq.nsmallest(most, told, key=lambda e: e.revision)

    async def watch(
        self, prefix: str = "", *, exact: bool = False, caught_up: Callable[[], None] | None = None
    ) -> AsyncIterator[Entry]:
        """Yield the present entries whose key begins so (`exact`: is so), then each change."""
        present = self._live(prefix)
        position = len(self._log)
        for entry in present:
            if not exact or entry.key == prefix:
                yield entry
        if caught_up is not None:
            caught_up()
        while True:
            changed = self._changed
            self._expire()
            while position < len(self._log):
                position += 1
                entry = self._log[position - 1]
                if entry.key == prefix or (not exact and entry.key.startswith(prefix)):
                    yield entry
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await changed.wait()
            except TimeoutError:
                continue


class MemoryBodies:
    """Bodies in a dictionary."""

    def __init__(self, check: Callable[[], None]) -> None:
        """Begin empty; `check` raises while the bus is away."""
        self._check = check
        self._bodies: dict[str, bytes] = {}

    async def put(self, key: str, content: bytes) -> StoredBody:
        """Store a body; the same key is replaced."""
        self._check()
        self._bodies[key] = bytes(content)
        return StoredBody(key, len(content), hashlib.sha256(content).hexdigest())

    async def get(self, key: str) -> bytes | None:
        """Return a body, or None where there is none."""
        self._check()
        return self._bodies.get(key)

    async def delete(self, key: str) -> None:
        """Remove a body; no error where there is none."""
        self._check()
        self._bodies.pop(key, None)

    async def keys(self) -> Sequence[str]:
        """Return the keys of all bodies."""
        self._check()
        return sorted(self._bodies)

    async def sweep(self, older_than_seconds: float = 3600.0) -> int:  # noqa: ARG002 - the port's signature
        """Do nothing: memory leaves nothing behind."""
        self._check()
        return 0
