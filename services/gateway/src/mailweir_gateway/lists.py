"""Entries of allow and block lists in the bucket `lists`, which every reputation process follows."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.entries import EntryKind, ListEntry, dump_entry, load_entry
from mailweir_core.hits import Hits, entry_hits_key, load_hits
from mailweir_gateway.ports import SearchRefused
from mailweir_runtime.bus.ports import Bus, BusError, Entry, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import LIST_HITS, LISTS
from mailweir_runtime.logs import get_logger

AT_ONCE: Final = 64
"""Entries of an import that are on their way to the bus at a time."""
LEAST_SECONDS: Final = 1.0
NO_HITS: Final = Hits(0, 0.0)
_CURSOR: Final = re.compile(r"([0-9]{1,12}\.[0-9]{6})~([A-Za-z0-9_=-]{1,64})")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter over entries; what is None or empty does not filter."""

    kind: EntryKind | None = None
    owner: str = ""
    text: str = ""
    limit: int = 50
    cursor: str = ""


class Lists:
    """Reads and writes entries. Every method raises BusError."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        """Take a bus."""
        self._bus = bus
        self._clock = clock

    async def page(self, wanted: Wanted) -> tuple[list[ListEntry], str]:
        """Return a page of entries, the newest first, and the next one's cursor; raises SearchRefused."""
        found = sorted(
            (entry for entry in await self._all() if _fits(entry, wanted)), key=_place, reverse=True
        )
        if wanted.cursor:
            before = _place_of(wanted.cursor)
            found = [entry for entry in found if _place(entry) < before]
        page = found[: wanted.limit]
        return page, _cursor(page[-1]) if len(found) > len(page) else ""

    async def get(self, entry_id: str) -> ListEntry | None:
        """Return an entry, None where there is none, it has expired or cannot be read."""
        bucket = await self._bus.bucket(LISTS)
        stored = await bucket.get(entry_id)
        entry = None if stored is None else _loaded(entry_id, stored.value)
        return entry if entry is not None and entry.holds(self._clock.now()) else None

    async def hits(self, ids: Sequence[str]) -> list[Hits]:
        """Return how often each entry counted, in order."""
        bucket = await self._bus.bucket(LIST_HITS)
        return [_hits(stored) for stored in await bucket.get_many(list(map(entry_hits_key, ids)))]

    async def add(self, entry: ListEntry) -> bool:
        """Store an entry where there is none of its id; say whether it was."""
        bucket = await self._bus.bucket(LISTS)
        try:
            await bucket.create(entry.id, dump_entry(entry), ttl_seconds=self._lives(entry))
        except RevisionConflict:
            return False
        return True

    async def put(self, entry: ListEntry) -> None:
        """Store an entry over whatever was there."""
        bucket = await self._bus.bucket(LISTS)
        await bucket.put(entry.id, dump_entry(entry), ttl_seconds=self._lives(entry))

    async def delete(self, entry_id: str) -> bool:
        """Remove an entry; say whether there was one."""
        bucket = await self._bus.bucket(LISTS)
        there = await bucket.get(entry_id) is not None
        await bucket.delete(entry_id)
        return there

    async def load(self, entries: Sequence[ListEntry]) -> int:
        """Store all entries or none; returns how many are new.

        The bus has no transaction over many keys: when it fails half-way, what was written is taken back.
        Were that to fail too, the same import again completes it, since an entry's id says what it says.
        """
        bucket = await self._bus.bucket(LISTS)
        wanted = {entry.id: entry for entry in entries}
        before = {
            stored.key: entry
            for stored in await bucket.get_many(list(wanted))
            if stored is not None and (entry := _loaded(stored.key, stored.value)) is not None
        }
        failure = await self._put_all(bucket, list(wanted.values()))
        if failure is not None:
            await self._take_back(bucket, list(wanted), before)
            raise failure
        return len(wanted) - len(before)

    async def _put_all(self, bucket: KeyValue, entries: Sequence[ListEntry]) -> BusError | None:
        for start in range(0, len(entries), AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                puts = [
                    tasks.create_task(self._try_put(bucket, entry))
                    for entry in entries[start : start + AT_ONCE]
                ]
            failures = [failure for put in puts if (failure := put.result()) is not None]
            if failures:
                return failures[0]
        return None

    async def _try_put(self, bucket: KeyValue, entry: ListEntry) -> BusError | None:
        try:
            await bucket.put(entry.id, dump_entry(entry), ttl_seconds=self._lives(entry))
        except BusError as error:
            return error
        return None

    async def _take_back(
        self, bucket: KeyValue, ids: Sequence[str], before: dict[str, ListEntry]
    ) -> None:
        try:
            for entry_id in ids:
                if entry_id in before:
                    await self.put(before[entry_id])
                else:
                    await bucket.delete(entry_id)
        except BusError as error:
            _log.error("import_not_taken_back", detail=str(error))

    async def _all(self) -> list[ListEntry]:
        bucket, now = await self._bus.bucket(LISTS), self._clock.now()
        entries = [_loaded(stored.key, stored.value) for stored in await bucket.entries()]
        return [entry for entry in entries if entry is not None and entry.holds(now)]

    def _lives(self, entry: ListEntry) -> float:
        return max(entry.expires - self._clock.now(), LEAST_SECONDS) if entry.expires else 0.0


def _loaded(key: str, value: bytes | None) -> ListEntry | None:
    try:
        return None if value is None else load_entry(value)
    except ValueError as error:
        _log.error("entry_unreadable", key=key, detail=str(error))
        return None


def _hits(stored: Entry | None) -> Hits:
    if stored is None or stored.value is None:
        return NO_HITS
    try:
        return load_hits(stored.value)
    except ValueError as error:
        _log.error("hits_unreadable", key=stored.key, detail=str(error))
        return NO_HITS


def _fits(entry: ListEntry, wanted: Wanted) -> bool:
    if wanted.kind is not None and entry.kind is not wanted.kind:
        return False
    if wanted.owner and entry.owner != wanted.owner:
        return False
    texts = (entry.item, entry.note, entry.by, *entry.recipients)
    return not wanted.text or any(wanted.text.casefold() in text.casefold() for text in texts)


def _place(entry: ListEntry) -> tuple[str, str]:
    return f"{entry.at:019.6f}", entry.id


def _cursor(entry: ListEntry) -> str:
    return f"{entry.at:.6f}~{entry.id}"


def _place_of(cursor: str) -> tuple[str, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise SearchRefused("cursor: not one that this service gave out")
    return f"{float(found[1]):019.6f}", found[2]
