"""The store of histories: one contract, on the bus and in memory."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import pytest

from mailweir_core.clock import ManualClock
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters.history import CACHE_SECONDS, BusHistory, MemoryHistory
from mailweir_reputation.memory import HistoryStore
from mailweir_reputation.policy.history.record import Deed, Record, folded
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import HISTORY

NOW: Final = 1_750_000_000.0
HALF: Final = 864_000.0
MONTH: Final = 2_592_000.0

Change = Callable[[Record | None], Record]


def add(*marks: str) -> Change:
    deeds = [Deed(mark, 1.0, 5.0, NOW) for mark in marks]
    return partial(folded, deeds=deeds, half_life=HALF)


@pytest.fixture(params=["bus", "memory"])
def store(
    request: pytest.FixtureRequest, clock: ManualClock, metrics: AcquaintanceMetrics
) -> HistoryStore:
    """The contract without a server; the adapter over a real one is below."""
    if request.param == "memory":
        return MemoryHistory(clock)
    return BusHistory(MemoryBus(clock=clock), clock, metrics)


async def test_what_is_not_there_is_none(store: HistoryStore) -> None:
    assert await store.read(["h.ip.a", "h.ip.b"]) == [None, None]
    assert await store.read([]) == []
    assert await store.remembered(["w.a"]) == [False]


async def test_changes_are_read_back_in_order(store: HistoryStore) -> None:
    done = await store.change({"h.ip.a": add("1"), "h.ip.b": add("1", "2")}, MONTH)
    assert [done[key].messages for key in ("h.ip.a", "h.ip.b")] == [1.0, 2.0]
    found = await store.read(["h.ip.b", "h.ip.c", "h.ip.a"])
    assert [record and record.messages for record in found] == [2.0, None, 1.0]


async def test_a_change_sees_what_was_there(store: HistoryStore) -> None:
    await store.change({"h.ip.a": add("1")}, MONTH)
    done = await store.change({"h.ip.a": add("1", "2")}, MONTH)
    assert done["h.ip.a"].messages == 2.0


async def test_a_record_lives_so_long_after_its_last_write(
    store: HistoryStore, clock: ManualClock
) -> None:
    await store.change({"h.ip.a": add("1")}, 100.0)
    clock.advance(90)
    await store.change({"h.ip.a": add("2")}, 100.0)
    clock.advance(90)
    assert await store.read(["h.ip.a"]) != [None]
    clock.advance(20)
    assert await store.read(["h.ip.a"]) == [None]


async def test_keys_are_known_for_so_long(store: HistoryStore, clock: ManualClock) -> None:
    await store.remember(["w.a", "w.b"], 1000.0)
    assert await store.remembered(["w.b", "w.c", "w.a"]) == [True, False, True]
    clock.advance(900)
    await store.remember(["w.a"], 1000.0)
    clock.advance(200)
    assert await store.remembered(["w.a", "w.b"]) == [True, False]


async def test_memory_can_be_away_and_slow(clock: ManualClock) -> None:
    store = MemoryHistory(clock)
    store.outage = BusUnavailable("as the test wants")
    with pytest.raises(BusUnavailable):
        await store.read(["h.ip.a"])
    store.outage, store.delay = None, 30.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await store.remembered(["w.a"])


# --- what only the bus has -----------------------------------------------------------------


async def written(store: BusHistory, change: Mapping[str, Change]) -> bool:
    """Try once; False where others were always faster."""
    try:
        await store.change(change, MONTH)
    except BusUnavailable:
        return False
    return True


async def test_processes_that_write_at_once_lose_nothing(
    bus: Bus, clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    stores = [BusHistory(bus, clock, metrics) for _ in range(4)]
    keys = [f"h.ip.{n}" for n in range(5)]

    async def write(store: BusHistory, name: int) -> None:
        for n in range(10):
            change = {key: add(f"{name}-{n}") for key in keys}
            while not await written(
                store, change
            ):  # as a batch that was not acknowledged comes back
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name, each in enumerate(stores):
            tasks.create_task(write(each, name))
    clock.advance(CACHE_SECONDS)
    found = await stores[0].read(keys)
    assert [record and round(record.messages, 3) for record in found] == [40.0] * 5


async def test_many_keys_go_over_in_one_call(
    bus: Bus, clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    store = BusHistory(bus, clock, metrics)
    keys = [f"h.ip.{n}" for n in range(300)]
    await store.change({key: add("1") for key in keys}, MONTH)
    fresh = BusHistory(bus, clock, metrics)
    assert all(record is not None for record in await fresh.read(keys))
    await store.remember([f"w.{n}" for n in range(300)], MONTH)
    assert all(await fresh.remembered([f"w.{n}" for n in range(300)]))


async def test_what_was_read_is_kept_for_a_while(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    reader, writer = BusHistory(bus, clock, metrics), BusHistory(bus, clock, metrics)
    await writer.change({"h.ip.a": add("1")}, MONTH)
    assert await reader.read(["h.ip.a", "h.ip.none"]) != [None, None]
    bus.outage = BusUnavailable("away")
    clock.advance(CACHE_SECONDS - 0.1)
    kept = await reader.read(["h.ip.a", "h.ip.none"])
    assert [record and record.messages for record in kept] == [1.0, None]
    clock.advance(0.2)
    with pytest.raises(BusUnavailable):
        await reader.read(["h.ip.a"])


async def test_ones_own_writes_are_seen_at_once(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    store = BusHistory(MemoryBus(clock=clock), clock, metrics)
    assert await store.read(["h.ip.a"]) == [None]
    await store.change({"h.ip.a": add("1")}, MONTH)
    assert await store.read(["h.ip.a"]) != [None]


async def test_what_a_change_leaves_alone_is_not_written(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    store = BusHistory(bus, clock, metrics)
    await store.change({"h.ip.a": add("1")}, MONTH)
    bucket = await bus.bucket(HISTORY)
    before = await bucket.get("h.ip.a")
    await store.change({"h.ip.a": add("1")}, MONTH)
    assert await bucket.get("h.ip.a") == before


async def test_a_record_that_cannot_be_read_begins_anew(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    store = BusHistory(bus, clock, metrics)
    await (await bus.bucket(HISTORY)).put("h.ip.a", b"{}")
    assert await store.read(["h.ip.a"]) == [None]
    done = await store.change({"h.ip.a": add("1")}, MONTH)
    assert done["h.ip.a"].messages == 1.0


async def test_a_known_key_is_not_written_again_and_again(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    store = BusHistory(bus, clock, metrics)
    bucket = await bus.bucket(HISTORY)
    await store.remember(["w.a"], 1000.0)
    first = await bucket.get("w.a")
    clock.advance(99)
    await store.remember(["w.a"], 1000.0)
    assert await bucket.get("w.a") == first
    clock.advance(2)
    await store.remember(["w.a"], 1000.0)
    assert await bucket.get("w.a") != first
