"""The bans, copied from the bucket `bans` as they change; and bans in memory.

The lists are looked at here too, as far as they name addresses for all the system: an allow beats a ban, and
who is blocked need not be asked about again and again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from mailweir_core.bans import Ban, ban_key, load_ban
from mailweir_core.clock import Clock
from mailweir_core.entries import SYSTEM, EntryKind, ListEntry, load_entry
from mailweir_core.hits import Hits, dump_hits, hits_key
from mailweir_core.items import ItemKind, parse_item
from mailweir_core.net import Address
from mailweir_ingress.policy.banned import BanIndex, NetworkTable
from mailweir_runtime.bus.ports import Bus, BusError, Entry
from mailweir_runtime.bus.topology import BANS, LISTS, RATES, BucketSpec
from mailweir_runtime.logs import get_logger

RETRY_SECONDS: Final = 1.0
REPORT_SECONDS: Final = 5.0
"""How often counts of what bans have done are written."""
REPORTS_AT_ONCE: Final = 256
HITS_LINGER_SECONDS: Final = 86_400.0
"""Counts outlive their ban by this."""
ENDLESS_HITS_SECONDS: Final = 30 * 86_400.0
"""How long the count of a ban without an end lives, from its last hit."""

_log = get_logger(__name__)


class MemoryBans:
    """Bans at hand; what a process asks, wherever they come from."""

    def __init__(self) -> None:
        """Begin with nobody banned."""
        self.index = BanIndex()
        self.allowed: NetworkTable[ListEntry] = NetworkTable()
        self.blocked: NetworkTable[ListEntry] = NetworkTable()
        self.counts: dict[str, Hits] = {}
        """By subject, of the present ban."""
        self._uncounted: dict[str, None] = {}  # subjects whose count has changed, in order
        self._callbacks: list[Callable[[Ban], None]] = []

    def of(self, client: Address | None, now: float) -> Ban | None:
        """Return the ban that an address falls under."""
        if client is None:
            return None
        ban = self.index.of(client, now)
        return None if ban is None or self.allows(client, now) else ban

    def allows(self, client: Address | None, now: float) -> bool:
        """Say whether an allow list of the system names an address."""
        return client is not None and self.allowed.of(client, now) is not None

    def blocks(self, client: Address | None, now: float) -> bool:
        """Say whether a block list of the system names an address."""
        return client is not None and self.blocked.of(client, now) is not None

    def account(self, login: str, now: float) -> Ban | None:
        """Return the ban of a login."""
        return self.index.account(login, now)

    def hit(self, ban: Ban, now: float) -> None:
        """Count a connection that was turned away for a ban."""
        before = self.counts.get(ban.subject)
        self.counts[ban.subject] = Hits(1 if before is None else before.count + 1, now)
        self._uncounted[ban.subject] = None

    def subscribe(self, callback: Callable[[Ban], None]) -> None:
        """Have `callback` called with every ban that comes from now on."""
        self._callbacks.append(callback)

    def put(self, ban: Ban) -> None:
        """Have a ban hold from now on."""
        key = ban_key(ban.subject)
        before = self.index.get(key)
        if before == ban:
            return
        if before is None or before.since != ban.since:  # another ban: its count is its own
            self._forget_hits(ban.subject)
        if not self.index.put(key, ban):
            _log.error("ban_not_enforced", subject=ban.subject, detail="too many bans")
            return
        for callback in self._callbacks:
            callback(ban)

    def remove(self, key: str) -> None:
        """Lift the ban of a key (`mailweir_core.bans.ban_key`)."""
        ban = self.index.get(key)
        if ban is not None:
            self._forget_hits(ban.subject)
            self.index.remove(key)

    def take(self, key: str, entry: ListEntry | None) -> None:
        """Take an entry of a list in, or forget the one of a key."""
        self.allowed.remove(key)
        self.blocked.remove(key)
        if entry is None or entry.owner != SYSTEM or entry.recipients:
            return
        item = parse_item(entry.item)
        if item.kind is ItemKind.NETWORK:
            table = self.allowed if entry.kind is EntryKind.ALLOW else self.blocked
            table.put(key, item.networks, entry)

    def changed_counts(self, most: int) -> list[tuple[Ban, Hits]]:
        """Return up to so many counts that have changed since they were last returned."""
        found = []
        for subject in list(self._uncounted)[:most]:
            del self._uncounted[subject]
            ban = self.index.get(ban_key(subject))
            if ban is not None:
                found.append((ban, self.counts[subject]))
        return found

    def _forget_hits(self, subject: str) -> None:
        self.counts.pop(subject, None)
        self._uncounted.pop(subject, None)


class BusBans(MemoryBans):
    """Follows the buckets of bans and lists, and writes what the bans have done."""

    def __init__(self, bus: Bus, clock: Clock, instance: str) -> None:
        """Know of no ban yet; counts are written under the name of this process."""
        super().__init__()
        self._bus = bus
        self._clock = clock
        self._instance = instance
        self._unread = {BANS.name, LISTS.name}
        self._read = asyncio.Event()

    async def first(self, seconds: float) -> bool:
        """Wait until both buckets were read once; False where that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._read.wait()
        except TimeoutError:
            return False
        return True

    async def follow(self) -> None:
        """Keep the copy as the buckets are; runs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(BANS, self._take_ban, self.index.keys))
            tasks.create_task(self._follow(LISTS, self._take_entry, self._entries))
            tasks.create_task(self._repeat(self.write_counts))

    def _entries(self) -> tuple[str, ...]:
        return (*self.allowed.keys(), *self.blocked.keys())

    async def _follow(
        self,
        spec: BucketSpec,
        take: Callable[[str, bytes | None], None],
        known: Callable[[], Iterable[str]],
    ) -> None:
        while True:
            try:
                bucket = await self._bus.bucket(spec)
                present = await bucket.entries()
                for key in set(known()) - {entry.key for entry in present}:
                    take(key, None)  # gone while we could not look
                self._take_all(spec, present, take)
                self._unread.discard(spec.name)
                if not self._unread:
                    self._read.set()
                async for entry in bucket.watch():
                    self._take_all(spec, (entry,), take)
            except BusError as error:
                _log.warning("bucket_not_read", bucket=spec.name, detail=str(error)[:200])
            await asyncio.sleep(RETRY_SECONDS)

    def _take_all(
        self, spec: BucketSpec, entries: Iterable[Entry], take: Callable[[str, bytes | None], None]
    ) -> None:
        for entry in entries:
            try:
                take(entry.key, entry.value)
            except ValueError as error:
                take(entry.key, None)
                _log.error(
                    "entry_unreadable", bucket=spec.name, key=entry.key, detail=str(error)[:200]
                )

    def _take_ban(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.remove(key)
            return
        ban = load_ban(value)
        if ban_key(ban.subject) != key:
            raise ValueError("the key is not the subject's")
        self.put(ban)

    def _take_entry(self, key: str, value: bytes | None) -> None:
        self.take(key, None if value is None else load_entry(value))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await work()

    async def write_counts(self) -> None:
        """Write counts that have changed, a bounded number; and forget bans that have ended."""
        now = self._clock.now()
        self.index.drop_ended(now)
        changed = self.changed_counts(REPORTS_AT_ONCE)
        if not changed:
            return
        try:
            bucket = await self._bus.bucket(RATES)
            for ban, hits in changed:
                left = ban.until - now if ban.until else ENDLESS_HITS_SECONDS
                await bucket.put(
                    hits_key(ban.subject, self._instance),
                    dump_hits(hits),
                    ttl_seconds=max(left, 0.0) + HITS_LINGER_SECONDS,
                )
        except BusError as error:  # the counts go on, so the next one that is written has all
            _log.warning("ban_counts_not_written", detail=str(error)[:200])
