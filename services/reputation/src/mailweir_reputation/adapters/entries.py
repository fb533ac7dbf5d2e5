"""The entries of the bucket `lists`, followed; hits, added up in `list-hits`; and both in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from mailweir_core.entries import ListEntry, load_entry
from mailweir_core.hits import Hits, dump_hits, entry_hits_key, load_hits
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters.rounds import side_by_side
from mailweir_reputation.policy.index import EntryIndex
from mailweir_runtime.bus.ports import Bus, BusError, Entry, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import LIST_HITS, LISTS
from mailweir_runtime.logs import get_logger

GATHER_SECONDS: Final = 0.1
"""How long changes are gathered before they are taken in: an import changes the index a few times only."""
MOST_GATHERED: Final = 20_000
"""Changes that are taken in at once; so many take about a second of a thread."""
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 5.0
TRIES: Final = 10

_log = get_logger(__name__)


class BusEntries:
    """Follows the bucket; while the bus is away, the last entries stay in force."""

    def __init__(self, bus: Bus, metrics: AcquaintanceMetrics, gone: Callable[[str], None]) -> None:
        """Begin empty; `ready` is set once the bucket was read. `gone` is told which entries are no more."""
        self.ready = asyncio.Event()
        self._index = EntryIndex()
        self._bus = bus
        self._metrics = metrics
        self._gone = gone
        self._news: dict[str, bytes | None] = {}
        self._complete = False
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def index(self) -> EntryIndex:
        """Return the index of the entries in force."""
        return self._index

    async def run(self) -> None:
        """Read the bucket and follow its changes; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_for_ever())
            while True:
                try:
                    await self._follow()
                except BusError as error:
                    _log.warning("lists_not_read", detail=str(error)[:200])
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        bucket = await self._bus.bucket(LISTS)
        async for entry in bucket.watch(caught_up=self._all_come):
            await self._note(entry.key, entry.value)

    def _all_come(self) -> None:
        """Note that what was there has come; it is in force once it is taken in."""
        self._complete = True
        self._arrived.set()

    async def _note(self, key: str, value: bytes | None) -> None:
        while len(self._news) >= MOST_GATHERED:
            self._taken.clear()
            await self._taken.wait()
        self._news[key] = value
        self._arrived.set()

    async def _take_for_ever(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._arrived.clear()
            complete = self._complete
            news, self._news = self._news, {}
            self._taken.set()  # there is room again
            # microseconds each, and an import has many: not on the loop
            self._index, bad = await asyncio.to_thread(_changed, self._index, news)
            self._report(news, bad)
            if complete:
                self.ready.set()

    def _report(self, news: Mapping[str, bytes | None], bad: Mapping[str, str]) -> None:
        self._metrics.entries.set(len(self._index))
        for key, value in news.items():
            if value is None:
                self._gone(key)
        if bad:
            self._metrics.entries_skipped.inc(len(bad))
            key, why = next(iter(bad.items()))
            _log.warning("entries_skipped", count=len(bad), key=key[:80], detail=why[:200])


def _changed(
    index: EntryIndex, news: Mapping[str, bytes | None]
) -> tuple[EntryIndex, dict[str, str]]:
    """Return the index after changes, and what is wrong with those that are left out."""
    changes: dict[str, ListEntry | None] = {}
    bad: dict[str, str] = {}
    for key, value in news.items():
        changes[key] = None
        if value is None:
            continue
        try:
            entry = load_entry(value)
            if entry.id != key:
                raise ValueError(f"the entry's id is {entry.id!r}")
            changes[key] = entry
        except (ValueError, RecursionError) as error:
            bad[key] = str(error)
    return index.changed(changes), bad


class BusHits:
    """Adds hits up over all processes, one key per entry, by compare-and-set.

    What the broker did not confirm is kept and added again, so that an outage may count some hits twice; the
    hits of the last seconds go with a process that dies.
    """

    def __init__(self, bus: Bus, metrics: AcquaintanceMetrics) -> None:
        """Begin with no hit."""
        self._bus = bus
        self._metrics = metrics
        self._new: dict[str, Hits] = {}
        self._gone: set[str] = set()

    def forget(self, entry_id: str) -> None:
        """Drop the count of an entry that is no more, with the next flush."""
        self._new.pop(entry_id, None)
        self._gone.add(entry_id)

    def count(self, entry_id: str, now: float) -> None:
        """Count a hit; it is stored with the next flush."""
        self._new[entry_id] = _sum(self._new.get(entry_id), Hits(1, now))

    async def run(self) -> None:
        """Store what was counted every few seconds; runs until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Store what was counted; what cannot be stored is kept."""
        left, self._new = self._new, {}
        gone, self._gone = self._gone, set()
        try:
            bucket = await self._bus.bucket(LIST_HITS)
            await side_by_side(
                [partial(bucket.delete, entry_hits_key(key)) for key in sorted(gone)]
            )
            gone = set()
            for _ in range(TRIES):
                if not left:
                    return
                left = await self._try(bucket, left)
        except BusError as error:
            self._metrics.hits_unwritten.inc()
            _log.warning("hits_not_written", entries=len(left), detail=str(error)[:200])
        self._gone |= gone
        for entry_id, hits in left.items():
            self._new[entry_id] = _sum(self._new.get(entry_id), hits)

    async def _try(self, bucket: KeyValue, new: Mapping[str, Hits]) -> dict[str, Hits]:
        """Return what another process was faster with."""
        entries = await bucket.get_many([entry_hits_key(entry_id) for entry_id in new])
        pairs = zip(new.items(), entries, strict=True)
        stored = await side_by_side(
            [
                partial(_add, bucket, entry_hits_key(entry_id), hits, entry)
                for (entry_id, hits), entry in pairs
            ]
        )
        return {
            key: hits for (key, hits), done in zip(new.items(), stored, strict=True) if not done
        }


async def _add(bucket: KeyValue, key: str, hits: Hits, entry: Entry | None) -> bool:
    value = dump_hits(_sum(_known(entry), hits))
    try:
        if entry is None:
            await bucket.create(key, value)
        else:
            await bucket.update(key, value, entry.revision)
    except RevisionConflict:
        return False
    return True


def _known(entry: Entry | None) -> Hits | None:
    try:
        return None if entry is None or entry.value is None else load_hits(entry.value)
    except ValueError:
        return None  # begins anew


def _sum(one: Hits | None, other: Hits) -> Hits:
    if one is None:
        return other
    return Hits(one.count + other.count, max(one.at, other.at))


class MemoryEntries:
    """Entries in memory, and how often each was hit."""

    def __init__(self, entries: Sequence[ListEntry] = ()) -> None:
        """Begin with these."""
        self.index = EntryIndex().changed({entry.id: entry for entry in entries})
        self.hits: dict[str, Hits] = {}

    def change(self, changes: Mapping[str, ListEntry | None]) -> None:
        """Change entries by id; None takes one away."""
        self.index = self.index.changed(changes)

    def count(self, entry_id: str, now: float) -> None:
        """Count a hit."""
        self.hits[entry_id] = _sum(self.hits.get(entry_id), Hits(1, now))
