"""Records and known keys in the bucket `history`, with a small cache; and the same in memory."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from mailweir_core.clock import Clock
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters.rounds import side_by_side
from mailweir_reputation.memory import Change
from mailweir_reputation.policy.history.record import Record, dump, load
from mailweir_runtime.bus.ports import (
    Bus,
    BusError,
    BusUnavailable,
    Entry,
    KeyValue,
    RevisionConflict,
)
from mailweir_runtime.bus.topology import HISTORY

CACHE_SECONDS: Final = 10.0
"""For how long a value that was read is taken to be as it was."""
CACHE_ENTRIES: Final = 50_000
TRIES: Final = 10
"""How often a change is applied anew when another process was faster."""
PAUSE_SECONDS: Final = 0.002
"""At most so long before the second try, twice as long before each further one."""
REFRESH_SHARE: Final = 0.1
"""A known key is written again after this share of its time."""


class BusHistory:
    """The store over the bus."""

    def __init__(self, bus: Bus, clock: Clock, metrics: AcquaintanceMetrics) -> None:
        """Begin with an empty cache."""
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._chance = random.Random()  # noqa: S311 - parts processes that write at once, guards nothing
        self._values = _Cache(clock)
        self._written: OrderedDict[str, float] = OrderedDict()

    async def read(self, keys: Sequence[str]) -> Sequence[Record | None]:
        """Return the records, in order, from the cache where it has them."""
        return [self._record(value) for value in await self._get(keys)]

    async def change(self, changes: Mapping[str, Change], seconds: float) -> Mapping[str, Record]:
        """Apply each change by compare-and-set; raises BusUnavailable where others are always faster."""
        bucket = await self._bus.bucket(HISTORY)
        done: dict[str, Record] = {}
        left = list(changes)
        for attempt in range(TRIES):
            done |= await self._try(bucket, {key: changes[key] for key in left}, seconds)
            left = [key for key in left if key not in done]
            if not left:
                return done
            self._metrics.conflicts.inc(len(left))
            await asyncio.sleep(self._chance.uniform(0, PAUSE_SECONDS * 2**attempt))
        raise BusUnavailable(f"{len(left)} histories were written by others {TRIES} times")

    async def _try(
        self, bucket: KeyValue, changes: Mapping[str, Change], seconds: float
    ) -> dict[str, Record]:
        """Return what was written or left alone; what others changed meanwhile is missing."""
        entries = await bucket.get_many(list(changes))
        work = [
            partial(self._apply, bucket, key, entry, change, seconds)
            for (key, change), entry in zip(changes.items(), entries, strict=True)
        ]
        records = await side_by_side(work)
        return {key: record for key, record in zip(changes, records, strict=True) if record}

    async def _apply(
        self, bucket: KeyValue, key: str, entry: Entry | None, change: Change, seconds: float
    ) -> Record | None:
        before = None if entry is None else self._record(entry.value)
        after = change(before)
        if after == before:
            return after
        value = dump(after)
        try:
            if entry is None:
                await bucket.create(key, value, ttl_seconds=seconds)
            else:
                await bucket.update(key, value, entry.revision, ttl_seconds=seconds)
        except RevisionConflict:
            return None
        self._values.put(key, value)
        return after

    async def remember(self, keys: Sequence[str], seconds: float) -> None:
        """Know keys for so long; one that was written not long ago is left as it is."""
        now = self._clock.monotonic()
        due = [
            k for k in keys if now - self._written.get(k, float("-inf")) > seconds * REFRESH_SHARE
        ]
        bucket = await self._bus.bucket(HISTORY)
        await side_by_side([partial(bucket.put, key, b"1", ttl_seconds=seconds) for key in due])
        for key in due:
            self._values.put(key, b"1")
            self._written[key] = now
            self._written.move_to_end(key)
        while len(self._written) > CACHE_ENTRIES:
            self._written.popitem(last=False)

    async def remembered(self, keys: Sequence[str]) -> Sequence[bool]:
        """Say of each key whether it is known."""
        return [value is not None for value in await self._get(keys)]

    async def _get(self, keys: Sequence[str]) -> list[bytes | None]:
        missing = [key for key in keys if not self._values.has(key)]
        found = {key: self._values.get(key) for key in keys}
        if missing:
            bucket = await self._bus.bucket(HISTORY)
            for key, entry in zip(missing, await bucket.get_many(missing), strict=True):
                found[key] = None if entry is None else entry.value
                self._values.put(key, found[key])
        return [found[key] for key in keys]

    def _record(self, value: bytes | None) -> Record | None:
        try:
            return None if value is None else load(value)
        except ValueError:
            self._metrics.records_unreadable.inc()
            return None


class _Cache:
    """Values that were read or written lately, the oldest dropped first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()

    def has(self, key: str) -> bool:
        held = self._values.get(key)
        return held is not None and self._clock.monotonic() - held[0] < CACHE_SECONDS

    def get(self, key: str) -> bytes | None:
        held = self._values.get(key)
        return None if held is None else held[1]

    def put(self, key: str, value: bytes | None) -> None:
        self._values[key] = (self._clock.monotonic(), value)
        self._values.move_to_end(key)
        while len(self._values) > CACHE_ENTRIES:
            self._values.popitem(last=False)


class MemoryHistory:
    """The same in dictionaries. Set `outage` to have it raised, `delay` to have each call take so long."""

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self._clock = clock
        self._values: dict[str, tuple[float, Record | None]] = {}
        self.outage: BusError | None = None
        self.delay = 0.0

    async def read(self, keys: Sequence[str]) -> Sequence[Record | None]:
        """Return the records, in order."""
        await self._wait()
        return [self._alive(key)[1] for key in keys]

    async def change(self, changes: Mapping[str, Change], seconds: float) -> Mapping[str, Record]:
        """Apply each change."""
        await self._wait()
        records = {key: change(self._alive(key)[1]) for key, change in changes.items()}
        until = self._clock.now() + seconds
        self._values |= {key: (until, record) for key, record in records.items()}
        return records

    async def remember(self, keys: Sequence[str], seconds: float) -> None:
        """Know keys for so long."""
        await self._wait()
        self._values |= {key: (self._clock.now() + seconds, None) for key in keys}

    async def remembered(self, keys: Sequence[str]) -> Sequence[bool]:
        """Say of each key whether it is known."""
        await self._wait()
        return [self._alive(key)[0] > 0 for key in keys]

    async def _wait(self) -> None:
        await asyncio.sleep(self.delay)
        if self.outage is not None:
            raise self.outage

    def _alive(self, key: str) -> tuple[float, Record | None]:
        held = self._values.get(key, (0.0, None))
        return held if held[0] > self._clock.now() else (0.0, None)
