"""The store's contract, over the bus in memory and over a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_greylist.adapters.store import COUNTS_KEY, START_KEY, KvStore
from mailweir_greylist.metrics import declare
from mailweir_greylist.policy.entry import Entry, Kind, State, key_of
from mailweir_greylist.policy.forecast import Counts
from mailweir_greylist.ports import ABSENT, Kept, StoreLost
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusFull, BusUnavailable
from mailweir_runtime.bus.topology import GREYLIST
from mailweir_testkit.nats import connected_bus, running_server

KEY = key_of(Kind.TRIPLET, "a", "b", "c")
OTHER = key_of(Kind.TRIPLET, "d", "e", "f")


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with running_server() as nats, connected_bus(nats.url) as real:
        yield real


@pytest.fixture
def store(bus: Bus) -> KvStore:
    return KvStore(bus, declare(CollectorRegistry()))


def entry(life: float = 1000.0, **parts: object) -> Entry:
    now = SystemClock().now()
    made = Entry(State.PENDING, "a", "b", "c", now, now, now + 1, now + life)
    return (
        made if not parts else Entry(**{**{f: getattr(made, f) for f in made.__slots__}, **parts})
    )


async def test_what_is_written_is_read(store: KvStore) -> None:
    written = entry()
    assert await store.write(KEY, written, ABSENT, written.first_at)
    found = await store.read([KEY, OTHER])
    assert list(found) == [KEY, OTHER]
    assert found[OTHER] == ABSENT
    assert found[KEY].entry is not None
    assert found[KEY].entry.due_at == pytest.approx(written.due_at, abs=0.001)
    assert await store.read([KEY]) == {KEY: found[KEY]}


async def test_many_are_read_at_once(store: KvStore) -> None:
    keys = [key_of(Kind.TRIPLET, str(n)) for n in range(700)]
    for key in keys[::7]:
        assert await store.write(key, entry(), ABSENT, entry().first_at)
    found = await store.read(keys)
    assert [found[k].entry is not None for k in keys] == [n % 7 == 0 for n in range(700)]


async def test_nobody_writes_over_what_he_has_not_read(store: KvStore) -> None:
    now = entry().first_at
    assert await store.write(KEY, entry(), ABSENT, now)
    assert not await store.write(KEY, entry(), ABSENT, now)
    kept = (await store.read([KEY]))[KEY]
    assert await store.write(KEY, entry(attempts=2), kept, now)
    assert not await store.write(KEY, entry(attempts=3), kept, now)
    again = (await store.read([KEY]))[KEY]
    assert again.entry is not None
    assert again.entry.attempts == 2


async def test_of_many_writers_at_once_one_gets_through(store: KvStore) -> None:
    async with asyncio.TaskGroup() as tasks:
        writers = [
            tasks.create_task(store.write(KEY, entry(), ABSENT, entry().first_at))
            for _ in range(20)
        ]
    assert [w.result() for w in writers].count(True) == 1


async def test_an_entry_runs_out_by_itself_and_can_be_made_anew(store: KvStore) -> None:
    now = entry().first_at
    assert await store.write(KEY, entry(1.0), ABSENT, now)
    async with asyncio.timeout(10):
        while (await store.read([KEY]))[KEY] != ABSENT:
            await asyncio.sleep(0.1)
    assert await store.write(KEY, entry(), ABSENT, now)


async def test_an_update_gives_the_entry_its_new_end(store: KvStore) -> None:
    now = entry().first_at
    assert await store.write(KEY, entry(1.0), ABSENT, now)
    kept = (await store.read([KEY]))[KEY]
    assert await store.write(KEY, entry(1000.0), kept, now)
    await asyncio.sleep(2.5)
    assert (await store.read([KEY]))[KEY].entry is not None


async def test_delete_forgets(store: KvStore) -> None:
    await store.delete(KEY)
    now = entry().first_at
    assert await store.write(KEY, entry(), ABSENT, now)
    await store.delete(KEY)
    assert (await store.read([KEY]))[KEY] == ABSENT
    assert await store.write(KEY, entry(), ABSENT, now)


async def test_the_first_start_is_kept(store: KvStore) -> None:
    assert await store.first_start(1000.0) == 1000.0
    assert await store.first_start(2000.0) == 1000.0


async def test_a_first_start_that_cannot_be_read_is_an_error(bus: Bus, store: KvStore) -> None:
    await (await bus.bucket(GREYLIST)).put(START_KEY, b"yesterday")
    with pytest.raises(StoreLost, match=START_KEY):
        await store.first_start(1.0)


async def test_counts_of_processes_that_write_at_once_add_up(store: KvStore) -> None:
    assert not await store.counts()
    async with asyncio.TaskGroup() as tasks:
        for n in range(1, 5):
            tasks.create_task(store.add(Counts(checked=n, deferred=1)))
    total = await store.counts()
    assert (total.checked, total.deferred) == (10, 4)


async def test_counts_that_cannot_be_read_begin_anew(bus: Bus, store: KvStore) -> None:
    await (await bus.bucket(GREYLIST)).put(COUNTS_KEY, b"{}")
    await store.add(Counts(checked=1))
    assert (await store.counts()).checked == 1


@pytest.mark.parametrize("outage", [BusUnavailable("away"), BusFull("full")])
async def test_whatever_the_bus_lacks_the_store_is_lost(outage: Exception) -> None:
    bus = MemoryBus()
    store = KvStore(bus, declare(CollectorRegistry()))
    bus.outage = outage
    for call in (
        store.read([KEY]), store.read([KEY, OTHER]), store.write(KEY, entry(), ABSENT, 1.0),
        store.write(KEY, entry(), Kept(entry(), 1), 1.0), store.delete(KEY), store.first_start(1.0),
        store.counts(), store.add(Counts(checked=1)),
    ):  # fmt: skip
        with pytest.raises(StoreLost):
            await call
