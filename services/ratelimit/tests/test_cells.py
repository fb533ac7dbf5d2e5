"""Cells: one contract in memory, on the bus in memory, and on a real nats-server; exact under concurrency."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mailweir_ratelimit.adapters.cells import KvCells, MemoryCells
from mailweir_ratelimit.metrics import CellMetrics, Metrics
from mailweir_ratelimit.ports import Cells, CellsAway, Change, Step
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable, Entry, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import QUOTAS, RATES
from mailweir_testkit.nats import connected_bus, nats_server, running_server

LIMIT = 37


def metrics() -> CellMetrics:
    return Metrics(CollectorRegistry()).cells("rates")


def count_of(series: object) -> float:
    value: float = series._value.get()
    return value


async def kv_cells(bus: MemoryBus, *, seconds: float = 5.0, remembered: int = 100) -> KvCells:
    return KvCells(await bus.bucket(RATES), metrics(), seconds=seconds, remembered=remembered)


@pytest.fixture(params=["memory", "bus", pytest.param("nats", marks=pytest.mark.integration)])
async def cells(request: pytest.FixtureRequest) -> AsyncIterator[Cells]:
    if request.param == "memory":
        yield MemoryCells()
    elif request.param == "bus":
        yield await kv_cells(MemoryBus())
    else:
        async with nats_server() as url, connected_bus(url) as bus:
            yield KvCells(await bus.bucket(RATES), metrics(), seconds=5.0)


def add(most: int = 10**9, amount: int = 1) -> Step[bool]:
    """Return a step that counts up to `most`; its result says whether it did."""

    def step(value: bytes | None) -> Change[bool]:
        number = int(value or b"0") + amount
        return Change(True, str(number).encode(), 600.0) if number <= most else Change(False)

    return step


async def test_a_step_sees_what_the_one_before_left(cells: Cells) -> None:
    def step(value: bytes | None) -> Change[int]:
        longer = (value or b"") + b"x"
        return Change(len(longer), longer, 60.0)

    assert [await cells.change("a.b", step) for _ in range(3)] == [1, 2, 3]
    assert await cells.read(["a.b", "none"]) == [b"xxx", None]


async def test_a_step_may_leave_the_value(cells: Cells) -> None:
    assert await cells.change("k", Change) is None
    assert await cells.read(["k"]) == [None]
    await cells.change("k", add())
    assert await cells.change("k", Change, sure=True) == b"1"


async def test_scan_and_remove(cells: Cells) -> None:
    for key in ("u.b", "u.a", "v.a"):
        await cells.change(key, add())
    assert await cells.scan("u.") == [("u.a", b"1"), ("u.b", b"1")]
    await cells.remove("u.a")
    await cells.remove("u.none")
    assert await cells.scan("u.") == [("u.b", b"1")]
    assert await cells.change("u.a", add())
    assert await cells.read(["u.a"]) == [b"1"]


async def test_many_at_once_lose_nothing(cells: Cells) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(cells.change(f"k{number % 3}", add()))
    assert await cells.read(["k0", "k1", "k2"]) == [b"67", b"67", b"66"]


class SlowBucket:
    """A bucket that counts its round trips, and waits in each, so that others can get in between."""

    def __init__(self, bucket: KeyValue, seconds: float = 0.001) -> None:
        self.bucket, self.seconds = bucket, seconds
        self.gets = self.writes = 0

    async def get(self, key: str) -> Entry | None:
        self.gets += 1
        await asyncio.sleep(self.seconds)
        return await self.bucket.get(key)

    async def create(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        self.writes += 1
        await asyncio.sleep(self.seconds)
        return await self.bucket.create(key, value, ttl_seconds=ttl_seconds)

    async def update(
        self, key: str, value: bytes, revision: int, *, ttl_seconds: float = 0.0
    ) -> int:
        self.writes += 1
        await asyncio.sleep(self.seconds)
        return await self.bucket.update(key, value, revision, ttl_seconds=ttl_seconds)


async def slow(
    bus: MemoryBus, *, seconds: float = 5.0, each: float = 0.001
) -> tuple[KvCells, SlowBucket]:
    bucket = SlowBucket(await bus.bucket(RATES), each)
    return KvCells(bucket, metrics(), seconds=seconds), bucket


async def test_a_known_key_costs_one_round_trip_and_a_refusal_none() -> None:
    cells, bucket = await slow(MemoryBus())
    for _ in range(5):
        await cells.change("k", add(5))
    assert (bucket.gets, bucket.writes) == (1, 5)
    assert not await cells.change("k", add(5))
    assert (bucket.gets, bucket.writes) == (1, 5)


async def test_where_keys_are_mostly_new_a_new_one_costs_one_round_trip() -> None:
    bus = MemoryBus()
    bucket = SlowBucket(await bus.bucket(RATES))
    hopeful = KvCells(bucket, metrics(), seconds=5.0, mostly_new=True)
    assert await hopeful.change("new", add(5))
    assert (bucket.gets, bucket.writes) == (0, 1)
    await (await kv_cells(bus)).change("old", add(9, 4))
    assert await hopeful.change("old", add(5))
    assert (bucket.gets, bucket.writes) == (1, 3)
    assert not await hopeful.change("old", add(5))
    assert (bucket.gets, bucket.writes) == (1, 3)
    # what is not known to be new is read before it is left as it is
    assert await hopeful.change("other", Change) is None
    await (await kv_cells(bus)).change("third", add(9, 4))
    assert await hopeful.change("third", Change) == b"4"
    assert (bucket.gets, bucket.writes) == (3, 3)


async def test_many_questions_of_one_key_are_two_writes() -> None:
    cells, bucket = await slow(MemoryBus())
    await cells.change("k", add())
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(cells.change("k", add(60))) for _ in range(100)]
    assert sum(task.result() for task in asked) == 59
    # the first goes alone, what came meanwhile goes together
    assert bucket.writes <= 3


async def test_a_sure_step_reads_anew_before_it_says_no() -> None:
    bus = MemoryBus()
    mine, other = await kv_cells(bus), await kv_cells(bus)
    for _ in range(5):
        await mine.change("k", add(5))
    assert await other.change("k", lambda _: Change(True, b"2", 60.0))
    assert not await mine.change("k", add(5))  # what it remembers is full
    assert await mine.change("k", add(5), sure=True)
    assert await other.read(["k"]) == [b"3"]


async def test_the_cells_asked_for_least_lately_are_forgotten() -> None:
    bus = MemoryBus()
    cells = await kv_cells(bus, remembered=10)
    for number in range(50):
        await cells.change(f"k{number}", add())
    assert len(cells._cells) <= 10
    assert await cells.change("k0", add(2))
    assert not await cells.change("k0", add(2))


async def test_a_bus_that_is_away_fails_each_asker_and_then_goes_on() -> None:
    bus = MemoryBus()
    cells = await kv_cells(bus)
    await cells.change("k", add())
    bus.outage = BusUnavailable("away")
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(away(cells, "k")) for _ in range(5)]
    assert all(task.result() for task in asked)
    with pytest.raises(CellsAway):
        await cells.read(["k"])
    with pytest.raises(CellsAway):
        await cells.scan("k")
    with pytest.raises(CellsAway):
        await cells.remove("k")
    bus.outage = None
    await cells.change("k", add())
    assert await cells.read(["k"]) == [b"2"]


async def away(cells: Cells, key: str) -> bool:
    try:
        await cells.change(key, add())
    except CellsAway:
        return True
    return False


async def test_one_who_gives_up_leaves_the_others_their_turn() -> None:
    cells, _ = await slow(MemoryBus(), each=0.05)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cells.change("k", add()))
        await asyncio.sleep(0.01)
        others = [tasks.create_task(cells.change("k", add())) for _ in range(5)]
        await asyncio.sleep(0.01)
        first.cancel()
    assert all(task.result() for task in others)
    stored = (await cells._bucket.bucket.get("k")).value
    assert stored in (b"5", b"6")  # the first one's may or may not have been written


async def test_what_takes_too_long_is_said_to_be_away() -> None:
    bus = MemoryBus()
    bucket = SlowBucket(await bus.bucket(RATES), 10.0)
    counted = metrics()
    cells = KvCells(bucket, counted, seconds=0.05)
    started = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(away(cells, "k")) for _ in range(5)]
    assert all(task.result() for task in asked)
    assert asyncio.get_running_loop().time() - started < 2
    assert count_of(counted.late) == 5
    assert not cells._cells["k"].waiting


async def test_a_key_that_others_always_change_first_is_given_up() -> None:
    class Contended(SlowBucket):
        async def create(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
            raise RevisionConflict(key)

    bus = MemoryBus()
    counted = metrics()
    bucket = Contended(await bus.bucket(RATES), 0.0)
    cells = KvCells(bucket, counted, seconds=10.0)
    with pytest.raises(CellsAway, match="50 times"):
        await cells.change("k", add())
    assert count_of(counted.conflicts) == 50


async def race(
    processes: Sequence[Cells], keys: int, asked: int, seed: int, *, sure: bool = False
) -> list[int]:
    """Ask from all processes at once, in bursts; return how often each key was counted."""
    chance = random.Random(seed)
    passed = [0] * keys

    async def one(cells: Cells, key: int, wait: float) -> None:
        await asyncio.sleep(wait)
        if await cells.change(f"k{key}", add(LIMIT), sure=sure):
            passed[key] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(asked):
            cells, key = chance.choice(processes), chance.randrange(keys)
            tasks.create_task(one(cells, key, chance.choice((0.0, 0.0, 0.01, 0.02))))
    return passed


@pytest.mark.parametrize("mostly_new", [False, True])
@pytest.mark.parametrize("seed", range(5))
async def test_three_processes_are_exact_in_memory(seed: int, mostly_new: bool) -> None:
    bus = MemoryBus()
    bucket = SlowBucket(await bus.bucket(RATES))
    processes = [KvCells(bucket, metrics(), seconds=5.0, mostly_new=mostly_new) for _ in range(3)]
    assert await race(processes, 3, 400, seed) == [LIMIT] * 3


@asynccontextmanager
async def three_processes(url: str) -> AsyncIterator[list[KvCells]]:
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(connected_bus(url)) for _ in range(3)]
        yield [KvCells(await bus.bucket(QUOTAS), metrics(), seconds=10.0) for bus in buses]


@pytest.mark.integration
async def test_three_processes_are_exact_on_a_real_server() -> None:
    async with nats_server() as url, three_processes(url) as processes:
        for seed in range(3):
            for number in range(4):
                await processes[0].remove(f"k{number}")
            assert await race(processes, 4, 600, seed) == [LIMIT] * 4


@pytest.mark.integration
async def test_counts_survive_the_broker_and_the_processes(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        async with three_processes(server.url) as processes:
            assert await race(processes, 1, 20, 1) == [20]
            await server.restart()
            assert await race(processes, 1, 10, 2) == [10]
        async with three_processes(server.url) as processes:
            assert await race(processes, 1, 100, 3) == [LIMIT - 30]


@pytest.mark.integration
async def test_a_value_runs_out() -> None:
    async with nats_server() as url, connected_bus(url) as bus:
        cells = KvCells(await bus.bucket(RATES), metrics(), seconds=5.0)
        await cells.change("k", lambda _: Change(None, b"full", 1.0))
        await asyncio.sleep(2.5)
        assert await cells.read(["k"]) == [None]
        assert await cells.change("k", lambda _: Change(True, b"new", 60.0))
        assert await cells.read(["k"]) == [b"new"]
