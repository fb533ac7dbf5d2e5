"""The store over a bucket of the bus, in NATS or in memory. Entries run out by themselves."""

import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, TypeVar

from mailweir_greylist.metrics import UNREADABLE, Metrics
from mailweir_greylist.policy import forecast
from mailweir_greylist.policy.entry import Entry, dump, load
from mailweir_greylist.policy.forecast import Counts
from mailweir_greylist.ports import ABSENT, Kept, StoreLost
from mailweir_runtime.bus.ports import (
    Bus,
    BusError,
    Entry as Stored,
    KeyValue,
    RevisionConflict,
)
from mailweir_runtime.bus.topology import GREYLIST
from mailweir_runtime.logs import get_logger

START_KEY: Final = "m.start"
COUNTS_KEY: Final = "m.counts"
TRIES: Final = 8
"""How often counts are added anew when another process was faster."""

T = TypeVar("T")
_log = get_logger(__name__)


class KvStore:
    """Entries in the bucket `greylist`; two processes never write over each other unseen."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        """Take the bus; the bucket is looked for with each question."""
        self._bus = bus
        self._metrics = metrics

    async def read(self, keys: Sequence[str]) -> Mapping[str, Kept]:
        """Return what is stored under each key; raises StoreLost."""
        bucket = await self._bucket()
        found = await _asked(bucket.get_many(keys)) if len(keys) > 1 else [
            await _asked(bucket.get(key)) for key in keys
        ]  # fmt: skip
        return {key: self._kept(stored) for key, stored in zip(keys, found, strict=True)}

    async def write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
        """Store an entry over what was read; False where it is another one by now. Raises StoreLost."""
        bucket = await self._bucket()
        value, ttl = dump(entry), entry.ttl(now)
        try:
            if before.revision:
                await bucket.update(key, value, before.revision, ttl_seconds=ttl)
            else:
                await bucket.create(key, value, ttl_seconds=ttl)
        except RevisionConflict:
            return False
        except BusError as error:
            raise StoreLost(str(error)) from error
        return True

    async def delete(self, key: str) -> None:
        """Forget an entry; raises StoreLost."""
        await _asked((await self._bucket()).delete(key))

    async def first_start(self, now: float) -> float:
        """Return when the service was first started: `now` if this is it. Raises StoreLost."""
        bucket = await self._bucket()
        try:
            await bucket.create(START_KEY, json.dumps({"at": now}).encode())
        except RevisionConflict:
            return _started(await _asked(bucket.get(START_KEY)), now)
        except BusError as error:
            raise StoreLost(str(error)) from error
        return now

    async def counts(self) -> Counts:
        """Return what all processes have counted; raises StoreLost."""
        return self._counts(await _asked((await self._bucket()).get(COUNTS_KEY)))

    async def add(self, counts: Counts) -> None:
        """Add to what all processes have counted; raises StoreLost."""
        bucket = await self._bucket()
        for _ in range(TRIES):
            stored = await _asked(bucket.get(COUNTS_KEY))
            value = forecast.dump(self._counts(stored).plus(counts))
            try:
                if stored is None:
                    await bucket.create(COUNTS_KEY, value)
                else:
                    await bucket.update(COUNTS_KEY, value, stored.revision)
            except RevisionConflict:
                continue
            except BusError as error:
                raise StoreLost(str(error)) from error
            return
        raise StoreLost("the counts are written by others over and over")

    async def _bucket(self) -> KeyValue:
        if not self._bus.connected:  # a request would wait for the connection
            raise StoreLost("no connection to the bus")
        return await _asked(self._bus.bucket(GREYLIST))

    def _kept(self, stored: Stored | None) -> Kept:
        if stored is None or stored.value is None:
            return ABSENT
        try:
            return Kept(load(stored.value), stored.revision)
        except ValueError as error:
            self._unreadable(stored.key, error)
            return Kept(None, stored.revision)

    def _counts(self, stored: Stored | None) -> Counts:
        if stored is None or stored.value is None:
            return Counts()
        try:
            return forecast.load(stored.value)
        except ValueError as error:
            self._unreadable(stored.key, error)
            return Counts()

    def _unreadable(self, key: str, error: ValueError) -> None:
        self._metrics.store_failures.labels(UNREADABLE).inc()
        _log.warning("entry_unreadable", key=key, detail=str(error))


async def _asked(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except BusError as error:
        raise StoreLost(str(error)) from error


def _started(stored: Stored | None, now: float) -> float:
    """Return the time in the document of the first start; raises StoreLost where it cannot be read."""
    try:
        document = json.loads(stored.value or b"") if stored is not None else {"at": now}
        return float(document["at"])
    except (ValueError, TypeError, KeyError) as error:
        raise StoreLost(f"{START_KEY} cannot be read: {error!r}") from error
