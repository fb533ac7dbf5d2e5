"""The entries as people look through them: a copy in memory, the last written first.

Reading a hundred thousand entries from the broker for each page would hold up the checks; so each process
keeps up to `most` of them, in the order of their last write, and asks for what is new now and then and before
each page. A revision says where a page begins: it means the same in every process.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.clock import Clock
from mailweir_greylist.metrics import Metrics
from mailweir_greylist.policy.entry import LISTED, Entry, Kind, State, load
from mailweir_greylist.ports import Page
from mailweir_runtime.bus.ports import Bus, BusError, Entry as Stored
from mailweir_runtime.bus.topology import GREYLIST
from mailweir_runtime.logs import get_logger

ROWS_A_TURN: Final = 200
"""After so many rows or changes, whatever else waits has its turn: some milliseconds."""
PAUSE_SECONDS: Final = 0.005
"""Between parts of what is read: half of the time is left to the checks."""
LOOK_SECONDS: Final = 0.5
"""How old the copy is at most."""
OUTAGE_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 1.0
"""How long a page waits for what is new."""
SWEEP_SECONDS: Final = 60.0
"""How often entries that ran out are dropped; they are not listed meanwhile."""
_log = get_logger(__name__)
_KINDS: Final = (f"{Kind.TRIPLET}.", f"{Kind.CLIENT}.")


@dataclass(slots=True)
class _Row:
    key: str
    revision: int
    state: State
    expires_at: float
    text: bytes  # the stored form, in lower case for the search
    value: bytes


class Index:
    """A bounded copy of the bucket; `run` keeps it up to date."""

    def __init__(self, bus: Bus, most: int, metrics: Metrics, clock: Clock) -> None:
        """Begin empty; `run` fills it."""
        self._bus = bus
        self._most = most
        self._metrics = metrics
        self._clock = clock
        self._rows: dict[str, _Row] = {}  # the last written last
        self._states: Counter[State] = Counter()
        self._after = 0
        self._catching_up = asyncio.Lock()

    async def run(self) -> None:
        """Follow the bucket until cancelled; an outage is waited for."""
        connection, sweep_at = self._bus.connections, 0.0
        while True:
            try:
                if self._bus.connections != connection:
                    connection = self._bus.connections
                    await self._anew()
                await self.catch_up()
            except BusError as error:
                _log.info("list_not_followed", detail=str(error))
                await asyncio.sleep(OUTAGE_SECONDS)
            if self._clock.monotonic() >= sweep_at:
                sweep_at = self._clock.monotonic() + SWEEP_SECONDS
                await self.sweep(self._clock.now())
            await asyncio.sleep(LOOK_SECONDS)

    async def catch_up(self) -> None:
        """Take what is new; raises BusError."""
        async with self._catching_up:
            await self._read_on()

    async def _read_on(self) -> None:
        bucket = await self._bus.bucket(GREYLIST)
        while changes := await bucket.changes(self._after, ROWS_A_TURN):
            for stored in changes:
                if stored.key.startswith(_KINDS):
                    self.take(stored)
            self._after = changes[-1].revision
            await asyncio.sleep(PAUSE_SECONDS if len(changes) == ROWS_A_TURN else 0)

    async def _anew(self) -> None:
        """Read all again: a broker that came back may have other entries; raises BusError."""
        async with self._catching_up:
            before, self._rows, self._after = self._rows, {}, 0
            try:
                await self._read_on()
            except BusError:
                self._rows = before | self._rows  # better old ones than none
                raise
            finally:
                self._recount()

    async def sweep(self, now: float) -> None:
        """Drop what has run out."""
        for _, rows in self._newest_first():
            for row in rows:
                if now >= row.expires_at and self._rows.get(row.key) is row:
                    self._drop(row.key)
            await asyncio.sleep(0)

    def _recount(self) -> None:
        self._states = Counter(row.state for row in self._rows.values())
        for state in LISTED:
            self._metrics.entries.labels(state).set(self._states[state])

    def take(self, stored: Stored) -> None:
        """Note one change."""
        self._drop(stored.key)
        if stored.value is None:
            return
        try:
            entry = load(stored.value)
        except ValueError:
            return  # the store counts it where it matters
        if entry.state not in LISTED:
            return
        lower = stored.value.lower()
        text = stored.value if lower == stored.value else lower
        row = _Row(stored.key, stored.revision, entry.state, entry.expires_at, text, stored.value)
        self._rows[stored.key] = row
        self._add(entry.state, 1)
        if len(self._rows) > self._most:
            self._drop(next(iter(self._rows)))
            self._metrics.dropped.inc()

    def count(self, state: State) -> int:
        """Return how many entries are in a state."""
        return self._states[state]

    async def page(
        self, *, state: State | None, text: str, limit: int, before: int, now: float
    ) -> Page:
        """Return up to `limit` entries last written before revision `before` (0: the newest)."""
        await self._refresh()
        wanted = text.lower().encode(errors="backslashreplace")
        found: list[_Row] = []
        for start, rows in self._newest_first():
            if start:
                await asyncio.sleep(0)
            for row in rows:
                if _fits(row, state, wanted, before, now):
                    found.append(row)
                    if len(found) > limit:
                        return Page(_entries(found[:limit]), found[limit - 1].revision)
        return Page(_entries(found))

    async def _refresh(self) -> None:
        """Take what is new, so that who has changed an entry sees that; an old copy is better than none."""
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self.catch_up()
        except (BusError, TimeoutError) as error:
            _log.info("list_not_fresh", detail=str(error))

    def _newest_first(self) -> list[tuple[int, Sequence[_Row]]]:
        rows = list(reversed(self._rows.values()))
        return [(at, rows[at : at + ROWS_A_TURN]) for at in range(0, len(rows), ROWS_A_TURN)]

    def _drop(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self._add(row.state, -1)

    def _add(self, state: State, number: int) -> None:
        self._states[state] += number
        self._metrics.entries.labels(state).set(self._states[state])


def _fits(row: _Row, state: State | None, text: bytes, before: int, now: float) -> bool:
    if before and row.revision >= before:
        return False
    if state is not None and row.state is not state:
        return False
    return now < row.expires_at and (not text or text in row.text)


def _entries(rows: Sequence[_Row]) -> tuple[tuple[str, Entry], ...]:
    return tuple((row.key, load(row.value)) for row in rows)
