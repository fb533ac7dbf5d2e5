"""Buckets and bodies in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence

from mailweir_core.clock import Clock
from mailweir_runtime.bus.matching import check_key
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
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._log: list[Entry] = []
        self._changed = asyncio.Event()

    def _store(self, key: str, value: bytes | None) -> int:
        self._revision += 1
        entry = Entry(check_key(key), value, self._revision)
        self._entries[key] = (entry, self._clock.now())
        self._log.append(entry)
        self._changed.set()
        self._changed = asyncio.Event()
        return self._revision

    def _expire(self) -> None:
        if self._spec.ttl_seconds <= 0:
            return
        edge = self._clock.now() - self._spec.ttl_seconds
        for key, (entry, at) in list(self._entries.items()):
            if entry.value is not None and at <= edge:
                self._store(key, None)

    async def get(self, key: str) -> Entry | None:
        """Return the newest value, or None where there is none."""
        self._check()
        self._expire()
        entry = self._entries.get(check_key(key), (None, 0.0))[0]
        return None if entry is None or entry.value is None else entry

    async def put(self, key: str, value: bytes) -> int:
        """Store a value whatever was there; returns its revision."""
        self._check()
        return self._store(key, value)

    async def create(self, key: str, value: bytes) -> int:
        """Store a value where there is none; raises RevisionConflict otherwise."""
        if await self.get(key) is not None:
            raise RevisionConflict(f"{self._spec.name}: key {key} exists")
        return self._store(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Store a value over exactly that revision; raises RevisionConflict otherwise."""
        entry = await self.get(key)
        if entry is None or entry.revision != revision:
            raise RevisionConflict(f"{self._spec.name}: key {key} is not at revision {revision}")
        return self._store(key, value)

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
        found = (entry for entry, _ in self._entries.values() if entry.key.startswith(prefix))
        return sorted((e for e in found if e.value is not None), key=lambda e: e.key)

    async def watch(self, prefix: str = "", *, exact: bool = False) -> AsyncIterator[Entry]:
        """Yield the present entries whose key begins so (`exact`: is so), then each change."""
        present = self._live(prefix)
        position = len(self._log)
        for entry in present:
            if not exact or entry.key == prefix:
                yield entry
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
