"""Cells on a bucket of the bus, changed by compare-and-set.

Within a process the changes of one key follow each other: who holds the key's lock writes for all who wait,
so that a hot key costs one round trip for many questions. The entry as last written is remembered, so that
the usual change is that one round trip; where another process was faster, the broker refuses the write, the
cell is read anew and everything is worked out again.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from mailweir_ratelimit.metrics import CellMetrics
from mailweir_ratelimit.ports import CellsAway, Change, Step
from mailweir_runtime.bus.ports import BusError, Entry, KeyValue, RevisionConflict

R = TypeVar("R")

TRIES: Final = 50
"""Writes that others may overtake before a change is given up; the time usually ends it first."""
FIRST_PAUSE_SECONDS: Final = 0.001
LONGEST_PAUSE_SECONDS: Final = 0.02
"""Pause before a write is tried again: doubles from the first to the longest, and is drawn below that."""
SCAN_SECONDS: Final = 10.0
"""For reading every key of a prefix."""


@dataclass(slots=True, eq=False)
class _Ask:
    step: Step[Any]
    sure: bool
    change: Change[Any] | None = None
    done: bool = False
    failure: str = ""


@dataclass(slots=True)
class _Cell:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Ask] = field(default_factory=list)
    known: bool = False
    entry: Entry | None = None


class KvCells:
    """See `ports.Cells`. The processes share nothing but the bucket."""

    def __init__(
        self, bucket: KeyValue, metrics: CellMetrics, *, seconds: float, remembered: int = 20_000,
        mostly_new: bool = False,
    ) -> None:  # fmt: skip
        """Take a bucket with TTL per key; a change may last `seconds`.

        `mostly_new`: a key that is not remembered is taken for a new one, which is one round trip where it
        is, and two more than reading it first where it is not.
        """
        self._bucket = bucket
        self._metrics = metrics
        self._seconds = seconds
        self._remembered = remembered
        self._mostly_new = mostly_new
        self._cells: OrderedDict[str, _Cell] = OrderedDict()
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def change(self, key: str, step: Step[R], *, sure: bool = False) -> R:
        """Change one cell and return the step's result; raises CellsAway."""
        cell = self._cell(key)
        if cell.known and not sure and not cell.lock.locked():
            value = None if cell.entry is None else cell.entry.value
            change = step(value)
            if change.value is None:  # a refusal, as a rule: nobody waits for the broker
                return change.result
        ask = _Ask(step, sure)
        cell.waiting.append(ask)
        try:
            async with asyncio.timeout(self._seconds), cell.lock:
                if not ask.done:
                    await self._settle(key, cell)
        except TimeoutError:
            self._metrics.late.inc()
            raise CellsAway(f"no answer within {self._seconds:g} s") from None
        finally:
            if not ask.done and ask in cell.waiting:
                cell.waiting.remove(ask)
        if ask.failure or ask.change is None:
            raise CellsAway(ask.failure)
        result: R = ask.change.result
        return result

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values as they are stored now; raises CellsAway."""
        with self._failures():
            async with asyncio.timeout(self._seconds):
                found = await self._bucket.get_many(keys)
        return [None if entry is None else entry.value for entry in found]

    async def scan(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return every key that begins so, with its value; raises CellsAway."""
        with self._failures():
            async with asyncio.timeout(SCAN_SECONDS):
                found = await self._bucket.entries(prefix)
        return [(entry.key, entry.value) for entry in found if entry.value is not None]

    async def remove(self, key: str) -> None:
        """Remove a cell; raises CellsAway."""
        with self._failures():
            async with asyncio.timeout(self._seconds):
                await self._bucket.delete(key)
        cell = self._cells.get(key)
        if cell is not None:
            cell.known = False

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except BusError as error:
            self._metrics.failures.inc()
            raise CellsAway(str(error)) from error
        except TimeoutError:
            self._metrics.late.inc()
            raise CellsAway(f"no answer within {self._seconds:g} s") from None

    def _cell(self, key: str) -> _Cell:
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
            self._forget()
        else:
            self._cells.move_to_end(key)
        return cell

    def _forget(self) -> None:
        """Drop the cell that was not asked for the longest; one in use stays and counts as just used."""
        while len(self._cells) > self._remembered:
            key, oldest = next(iter(self._cells.items()))
            self._cells.move_to_end(key)
            if oldest.lock.locked() or oldest.waiting:
                return
            del self._cells[key]

    async def _settle(self, key: str, cell: _Cell) -> None:
        """Work for all who wait at this moment; raises what cancels it, then the others wait on."""
        asks, cell.waiting = cell.waiting, []
        try:
            await self._write(key, cell, asks)
        except BusError as error:
            cell.known = False
            self._metrics.failures.inc()
            _end(asks, str(error) or type(error).__name__)
        except BaseException:  # cancelled: whether it was written is not known
            cell.known = False
            cell.waiting[:0] = asks
            raise
        else:
            _end(asks)

    async def _write(self, key: str, cell: _Cell, asks: Sequence[_Ask]) -> None:
        assumed = self._mostly_new and not cell.known
        for attempt in range(TRIES):
            fresh = not cell.known and not assumed
            if fresh:
                cell.entry = await self._bucket.get(key)
            elif assumed:
                cell.entry = None
            cell.known, unsure, assumed = not assumed, assumed, False
            value, ttl = _fold(cell.entry, asks)
            if value is None:
                if not unsure and (fresh or not any(ask.sure for ask in asks)):
                    return
                cell.known = False
                continue
            try:
                cell.entry = await self._store(key, cell.entry, value, ttl)
            except RevisionConflict:
                cell.known = False
                self._metrics.conflicts.inc()
                await self._pause(attempt)
            else:
                cell.known = True
                self._metrics.writes.inc()
                self._metrics.folded.inc(len(asks))
                return
        raise RevisionConflict(f"{key} was changed {TRIES} times by others")

    async def _store(self, key: str, entry: Entry | None, value: bytes, ttl: float) -> Entry:
        if entry is None:
            revision = await self._bucket.create(key, value, ttl_seconds=ttl)
        else:
            revision = await self._bucket.update(key, value, entry.revision, ttl_seconds=ttl)
        return Entry(key, value, revision)

    async def _pause(self, attempt: int) -> None:
        most = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 10), LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(self._random.random() * most)


def _fold(entry: Entry | None, asks: Sequence[_Ask]) -> tuple[bytes | None, float]:
    """Run every step on top of the one before; return what is to be stored (None: nothing) and its TTL."""
    value, stored, ttl = None if entry is None else entry.value, None, 0.0
    for ask in asks:
        ask.change = ask.step(value)
        if ask.change.value is not None:
            value = stored = ask.change.value
            ttl = ask.change.ttl_seconds
    return stored, ttl


def _end(asks: Sequence[_Ask], failure: str = "") -> None:
    for ask in asks:
        ask.done, ask.failure = True, failure


class MemoryCells:
    """Cells of one process; `away` makes every call raise CellsAway. Nothing runs out."""

    def __init__(self) -> None:
        """Begin empty."""
        self.away = ""
        self.values: dict[str, bytes] = {}

    def _check(self) -> None:
        if self.away:
            raise CellsAway(self.away)

    async def change(self, key: str, step: Step[R], *, sure: bool = False) -> R:  # noqa: ARG002 - the port's
        """Change one cell and return the step's result."""
        self._check()
        change = step(self.values.get(key))
        if change.value is not None:
            self.values[key] = change.value
        return change.result

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values."""
        self._check()
        return [self.values.get(key) for key in keys]

    async def scan(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return every key that begins so, with its value."""
        self._check()
        return sorted((k, v) for k, v in self.values.items() if k.startswith(prefix))

    async def remove(self, key: str) -> None:
        """Remove a cell."""
        self._check()
        self.values.pop(key, None)
