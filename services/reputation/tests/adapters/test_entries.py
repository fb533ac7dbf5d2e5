"""Entries that are followed in the bucket, and the hits that are added up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from mailweir_core.clock import ManualClock
from mailweir_core.entries import ListEntry, dump_entry, make_entry
from mailweir_core.hits import Hits, load_hits
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters import entries as module
from mailweir_reputation.adapters.entries import BusEntries, BusHits, MemoryEntries
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import LIST_HITS, LISTS


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def store(bus: Bus, *entries: ListEntry) -> None:
    bucket = await bus.bucket(LISTS)
    for entry in entries:
        await bucket.put(entry.id, dump_entry(entry))


def ignore(entry_id: str) -> None:
    del entry_id


@asynccontextmanager
async def following(
    bus: Bus, metrics: AcquaintanceMetrics, gone: Callable[[str], None] = ignore
) -> AsyncIterator[BusEntries]:
    entries = BusEntries(bus, metrics, gone)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(entries.run())
        async with asyncio.timeout(10):
            await entries.ready.wait()
        yield entries
        task.cancel()


def names(entries: BusEntries, ip: str) -> set[str]:
    return {match.row.id for match in entries.index.of_address(ip_address(ip))}


async def test_what_is_there_is_in_force_before_it_says_ready(
    bus: Bus, metrics: AcquaintanceMetrics
) -> None:
    await store(bus, make_entry("block", "192.0.2.0/24", id="a"))
    async with following(bus, metrics) as entries:
        assert names(entries, "192.0.2.1") == {"a"}


async def test_an_empty_bucket_is_ready_too(bus: Bus, metrics: AcquaintanceMetrics) -> None:
    async with following(bus, metrics) as entries:
        assert len(entries.index) == 0


async def test_changes_are_followed(bus: Bus, metrics: AcquaintanceMetrics) -> None:
    gone: list[str] = []
    await store(bus, make_entry("block", "192.0.2.0/24", id="a"))
    async with following(bus, metrics, gone.append) as entries:
        await store(bus, make_entry("allow", "192.0.2.1", id="b"))
        await until(lambda: names(entries, "192.0.2.1") == {"a", "b"})
        await store(bus, make_entry("block", "198.51.100.0/24", id="a"))
        await until(lambda: names(entries, "192.0.2.1") == {"b"})
        await (await bus.bucket(LISTS)).delete("b")
        await until(lambda: names(entries, "192.0.2.1") == set())
        assert names(entries, "198.51.100.7") == {"a"}
        await until(lambda: gone == ["b"])


async def test_an_entry_that_runs_out_is_gone(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    entry = make_entry("block", "192.0.2.1", id="a", expires=clock.now() + 60)
    await (await bus.bucket(LISTS)).put("a", dump_entry(entry), ttl_seconds=60)
    async with following(bus, metrics) as entries:
        assert names(entries, "192.0.2.1") == {"a"}
        clock.advance(61)
        await until(lambda: len(entries.index) == 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bad", b"not json"),
        ("bad", b'{"kind":"block","item":"nobody"}'),
        ("bad", dump_entry(make_entry("block", "192.0.2.9", id="other"))),
        ("bad", b"[" * 100_000),
    ],
)
async def test_one_that_cannot_be_read_is_left_out_and_counted(
    clock: ManualClock, metrics: AcquaintanceMetrics, key: str, value: bytes
) -> None:
    bus = MemoryBus(clock=clock)
    await (await bus.bucket(LISTS)).put(key, value)
    await store(bus, make_entry("block", "192.0.2.1", id="good"))
    async with following(bus, metrics) as entries:
        assert names(entries, "192.0.2.1") == {"good"}
        assert len(entries.index) == 1
    assert metrics.entries_skipped._value.get() == 1


async def test_an_entry_that_becomes_unreadable_no_longer_holds(
    clock: ManualClock, metrics: AcquaintanceMetrics
) -> None:
    bus = MemoryBus(clock=clock)
    await store(bus, make_entry("block", "192.0.2.1", id="a"))
    async with following(bus, metrics) as entries:
        await (await bus.bucket(LISTS)).put("a", b"nonsense")
        await until(lambda: len(entries.index) == 0)


async def test_an_import_changes_the_index_a_few_times_only(
    bus: Bus, metrics: AcquaintanceMetrics
) -> None:
    async with following(bus, metrics) as entries:
        seen = {id(entries.index): entries.index}  # kept, so that no id is used twice
        for n in range(500):
            await store(bus, make_entry("block", f"192.0.{n // 250}.{n % 250}", id=f"e{n}"))
            seen[id(entries.index)] = entries.index
        await until(lambda: len(entries.index) == 500)
    assert len(seen) < 60


async def test_more_than_is_gathered_at_once_comes_in_parts(
    clock: ManualClock, metrics: AcquaintanceMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_GATHERED", 10)
    bus = MemoryBus(clock=clock)
    await store(bus, *(make_entry("block", f"192.0.2.{n}", id=f"e{n}") for n in range(95)))
    async with following(bus, metrics) as entries:
        assert len(entries.index) == 95


async def test_the_last_entries_stay_while_the_bus_is_away(
    clock: ManualClock, metrics: AcquaintanceMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    bus = MemoryBus(clock=clock)
    bus.outage = BusUnavailable("away")
    entries = BusEntries(bus, metrics, ignore)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(entries.run())
        await asyncio.sleep(0.05)
        assert not entries.ready.is_set()
        bus.outage = None
        await store(bus, make_entry("block", "192.0.2.1", id="a"))
        await until(entries.ready.is_set)
        bus.outage = BusUnavailable("away")
        assert names(entries, "192.0.2.1") == {"a"}
        task.cancel()


# --- hits -------------------------------------------------------------------------------------


async def stored_hits(bus: Bus, entry_id: str) -> Hits | None:
    entry = await (await bus.bucket(LIST_HITS)).get(f"{entry_id}.sum")
    return None if entry is None or entry.value is None else load_hits(entry.value)


async def test_hits_of_all_processes_add_up(bus: Bus, metrics: AcquaintanceMetrics) -> None:
    processes = [BusHits(bus, metrics) for _ in range(3)]

    async def work(hits: BusHits) -> None:
        for n in range(20):
            hits.count("a", 100.0 + n)
            hits.count(f"e{n}", 7.0)
            await hits.flush()

    async with asyncio.TaskGroup() as tasks:
        for hits in processes:
            tasks.create_task(work(hits))
    for hits in processes:
        await hits.flush()  # what was in the way of others
    assert await stored_hits(bus, "a") == Hits(60, 119.0)
    assert await stored_hits(bus, "e7") == Hits(3, 7.0)


async def test_the_gateway_finds_them_by_the_entry(bus: Bus, metrics: AcquaintanceMetrics) -> None:
    hits = BusHits(bus, metrics)
    hits.count("abc", 1.0)
    await hits.flush()
    assert [e.key for e in await (await bus.bucket(LIST_HITS)).entries("abc.")] == ["abc.sum"]


async def test_hits_wait_for_the_bus(clock: ManualClock, metrics: AcquaintanceMetrics) -> None:
    bus = MemoryBus(clock=clock)
    hits = BusHits(bus, metrics)
    hits.count("a", 1.0)
    bus.outage = BusUnavailable("away")
    await hits.flush()
    hits.count("a", 2.0)
    bus.outage = None
    await hits.flush()
    assert await stored_hits(bus, "a") == Hits(2, 2.0)
    assert metrics.hits_unwritten._value.get() == 1


async def test_an_entry_that_is_no_more_leaves_no_count(
    bus: Bus, metrics: AcquaintanceMetrics
) -> None:
    hits = BusHits(bus, metrics)
    hits.count("a", 1.0)
    hits.count("b", 1.0)
    await hits.flush()
    hits.count("a", 2.0)
    hits.forget("a")
    await hits.flush()
    assert await stored_hits(bus, "a") is None
    assert await stored_hits(bus, "b") == Hits(1, 1.0)


async def test_they_are_flushed_by_and_by(
    clock: ManualClock, metrics: AcquaintanceMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    bus = MemoryBus(clock=clock)
    hits = BusHits(bus, metrics)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hits.run())
        hits.count("a", 1.0)
        async with asyncio.timeout(5):
            while await stored_hits(bus, "a") is None:
                await asyncio.sleep(0.01)
        task.cancel()


def test_entries_in_memory() -> None:
    entries = MemoryEntries([make_entry("block", "192.0.2.1", id="a")])
    entries.change({"a": None, "b": make_entry("allow", "192.0.2.1", id="b")})
    entries.count("b", 5.0)
    entries.count("b", 4.0)
    assert {m.row.id for m in entries.index.of_address(ip_address("192.0.2.1"))} == {"b"}
    assert entries.hits == {"b": Hits(2, 5.0)}
