"""The store of labelled fingerprints: a bucket that labels are written to and every process reads along.

An entry lives as long as it is confirmed within the bucket's time to live. Its key is the fingerprint, so
that two who label copies of one mail at once meet there: the second finds a newer revision and adds to it.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from mailweir_core.clock import Clock
from mailweir_model.fingerprint import Fingerprint, FuzzyBook, FuzzyEntry, Label
from mailweir_model.fingerprint.labels import dump, key_of, load, targets, taught
from mailweir_runtime.bus.ports import Bus, BusUnavailable, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import FUZZY
from mailweir_scoring.campaign_metrics import CampaignMetrics

TRIES: Final = 8
"""How often a label is added anew when somebody else was faster."""
MOST_ENTRIES: Final = 50_000
"""Fingerprints that are kept; new ones beyond are not taken, and a reader leaves the oldest out."""
REBUILD_SECONDS: Final = 1.0
"""How long changes are gathered before a new book is made of them."""


class StoreFull(Exception):
    """Raised when there are so many fingerprints that no new one is taken."""


class BookKeeper:
    """Reads the bucket along and makes books of it; `changed` is given each new one."""

    def __init__(
        self, bus: Bus, metrics: CampaignMetrics, changed: Callable[[FuzzyBook], None], *,
        most: int = MOST_ENTRIES, pause: float = REBUILD_SECONDS,
    ) -> None:  # fmt: skip
        """Begin with an empty book."""
        self.book = FuzzyBook()
        self._bus = bus
        self._metrics = metrics
        self._changed = changed
        self._most = most
        self._pause = pause
        self._entries: dict[str, FuzzyEntry] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Read along until cancelled; while the bus is away the last book stays."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._rebuild_for_ever())

    async def _follow(self) -> None:
        bucket = await self._bus.bucket(FUZZY)
        async for change in bucket.watch():
            entry = None if change.value is None else load(change.key, change.value)
            if entry is not None:
                self._entries[change.key] = entry
            else:
                self._entries.pop(change.key, None)
                if change.value is not None:
                    self._metrics.fuzzy_dropped.labels("unreadable").inc()
            self._news.set()

    async def _rebuild_for_ever(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(self._pause)
            self._news.clear()
            await self._rebuild()

    async def _rebuild(self) -> None:
        surplus = len(self._entries) - self._most
        if surplus > 0:
            oldest = sorted(self._entries, key=lambda key: self._entries[key].at)[:surplus]
            for key in oldest:
                del self._entries[key]
            self._metrics.fuzzy_dropped.labels("limit").inc(surplus)
        # tens of milliseconds for a full book: not on the loop
        self.book = await asyncio.to_thread(FuzzyBook, tuple(self._entries.values()))
        self._metrics.fuzzy_entries.set(len(self.book))
        self._changed(self.book)


class BusFuzzyStore:
    """Writes labels to the bucket; `book` is what is known so far, to find the entries of copies."""

    def __init__(
        self, bus: Bus, book: Callable[[], FuzzyBook], clock: Clock, *, most: int = MOST_ENTRIES
    ) -> None:
        """Write to the bus' bucket."""
        self._bus = bus
        self._book = book
        self._clock = clock
        self._most = most

    async def learn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Add `weight` labels to each fingerprint; raises BusUnavailable, BusFull, StoreFull."""
        book = self._book()
        for target in targets(book, fingerprints):
            await self._add(target, label, weight, full=len(book) >= self._most)

    async def unlearn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Take `weight` labels away again; raises BusUnavailable, BusFull."""
        for target in targets(self._book(), fingerprints):
            await self._add(target, label, -weight, full=True)

    async def _add(self, target: Fingerprint, label: Label, weight: float, *, full: bool) -> None:
        bucket = await self._bus.bucket(FUZZY)
        for _ in range(TRIES):
            try:
                await self._add_once(bucket, target, label, weight, full=full)
            except RevisionConflict:
                continue
            return
        raise BusUnavailable(f"{target.kind} fingerprint: {TRIES} others were faster")

    async def _add_once(
        self, bucket: KeyValue, target: Fingerprint, label: Label, weight: float, *, full: bool
    ) -> None:
        key = key_of(target)
        found = await bucket.get(key)
        known = None if found is None or found.value is None else load(key, found.value)
        if found is None and full:
            if weight < 0:  # there is nothing to take away from
                return
            raise StoreFull(f"{self._most} fingerprints are known")
        entry = taught(known or FuzzyEntry(target), label, weight, self._clock.now())
        if found is None:
            await bucket.create(key, dump(entry))
        elif entry.spam == entry.ham == 0:
            await bucket.delete(key)
        else:
            await bucket.update(key, dump(entry), found.revision)


class MemoryFuzzyStore:
    """The same in memory; its book is up to date at once."""

    def __init__(self, clock: Clock, *, most: int = MOST_ENTRIES) -> None:
        """Begin with an empty book."""
        self.book = FuzzyBook()
        self._clock = clock
        self._most = most
        self._entries: dict[Fingerprint, FuzzyEntry] = {}

    async def learn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Add `weight` labels to each fingerprint; raises StoreFull."""
        for target in targets(self.book, fingerprints):
            if target not in self._entries and len(self._entries) >= self._most:
                raise StoreFull(f"{self._most} fingerprints are known")
            self._add(target, label, weight)

    async def unlearn(
        self, fingerprints: Iterable[Fingerprint], label: Label, weight: float = 1.0
    ) -> None:
        """Take `weight` labels away again."""
        for target in targets(self.book, fingerprints):
            if target in self._entries:
                self._add(target, label, -weight)

    def _add(self, target: Fingerprint, label: Label, weight: float) -> None:
        known = self._entries.get(target) or FuzzyEntry(target)
        entry = taught(known, label, weight, self._clock.now())
        if entry.spam == entry.ham == 0:
            self._entries.pop(target, None)
        else:
            self._entries[target] = entry
        self.book = FuzzyBook(self._entries.values())
