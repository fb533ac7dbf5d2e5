"""The copy that the list is made of."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_greylist.adapters import index as module
from mailweir_greylist.adapters.index import ROWS_A_TURN, Index
from mailweir_greylist.metrics import declare
from mailweir_greylist.policy.entry import Entry, Kind, State, dump, key_of
from mailweir_greylist.ports import Page
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable, Entry as Stored
from mailweir_runtime.bus.topology import GREYLIST
from mailweir_testkit.nats import connected_bus, running_server

NOW = ManualClock().now()


def stored(number: int, state: State = State.PENDING, **parts: object) -> Stored:
    kind = Kind.TRIPLET if state in (State.PENDING, State.AUTHORISED) else Kind.CLIENT
    fields: dict[str, object] = {
        "client": f"192.0.{number % 256}.0/24", "sender": f"Ann{number}@example.net",
        "recipient": "bob@example.com", "first_at": NOW, "last_at": NOW, "due_at": NOW,
        "expires_at": NOW + 100.0,
    }  # fmt: skip
    entry = Entry(state, **{**fields, **parts})  # type: ignore[arg-type]
    return Stored(key_of(kind, str(number)), dump(entry), number)


def index(most: int = 1000, registry: CollectorRegistry | None = None) -> Index:
    return Index(MemoryBus(), most, declare(registry or CollectorRegistry()), ManualClock())


async def page(of: Index, state: State | None = None, text: str = "", limit: int = 50,
               before: int = 0, now: float = NOW) -> Page:  # fmt: skip
    return await of.page(state=state, text=text, limit=limit, before=before, now=now)


def senders(found: Page) -> list[str]:
    return [entry.sender for _, entry in found.entries]


async def test_the_last_written_come_first() -> None:
    some = index()
    for number in (1, 2, 3):
        some.take(stored(number))
    again = stored(1)
    some.take(Stored(again.key, again.value, 4))
    assert senders(await page(some)) == ["Ann1@example.net", "Ann3@example.net", "Ann2@example.net"]


async def test_pages_follow_on_each_other_whatever_comes_between() -> None:
    some = index()
    for number in range(1, 8):
        some.take(stored(number))
    first = await page(some, limit=3)
    assert senders(first) == [f"Ann{n}@example.net" for n in (7, 6, 5)]
    some.take(stored(8))
    second = await page(some, limit=3, before=first.before)
    assert senders(second) == [f"Ann{n}@example.net" for n in (4, 3, 2)]
    last = await page(some, limit=3, before=second.before)
    assert (senders(last), last.before) == (["Ann1@example.net"], 0)


async def test_a_page_that_just_fits_is_the_last() -> None:
    some = index()
    for number in (1, 2):
        some.take(stored(number))
    assert (await page(some, limit=2)).before == 0


async def test_by_state_and_text() -> None:
    some = index()
    some.take(stored(1))
    some.take(stored(2, State.AUTHORISED))
    some.take(stored(3, State.EXEMPT))
    assert senders(await page(some, State.AUTHORISED)) == ["Ann2@example.net"]
    assert senders(await page(some, text="ANN3@")) == ["Ann3@example.net"]
    assert senders(await page(some, text="192.0.1.")) == ["Ann1@example.net"]
    assert senders(await page(some, State.PENDING, "ann3")) == []


async def test_what_nobody_asks_for_is_not_listed() -> None:
    some = index()
    some.take(stored(1, State.COUNTED))
    assert (await page(some)).entries == ()


async def test_deleted_and_expired_entries_go() -> None:
    some = index()
    some.take(stored(1))
    some.take(stored(2))
    some.take(Stored(stored(1).key, None, 3))
    assert senders(await page(some)) == ["Ann2@example.net"]
    assert (await page(some, now=NOW + 100)).entries == ()


async def test_an_unreadable_entry_is_left_out() -> None:
    some = index()
    some.take(stored(1))
    some.take(Stored(stored(1).key, b"?", 2))
    assert (await page(some)).entries == ()


async def test_there_is_a_most_and_what_is_left_out_is_counted() -> None:
    registry = CollectorRegistry()
    some = index(3, registry)
    for number in range(1, 6):
        some.take(stored(number))
    assert senders(await page(some)) == [f"Ann{n}@example.net" for n in (5, 4, 3)]
    assert registry.get_sample_value("mailweir_greylist_unlisted_entries_total") == 2


async def test_states_are_counted_as_they_change() -> None:
    registry = CollectorRegistry()
    some = index(registry=registry)
    some.take(stored(1))
    some.take(stored(2))
    some.take(stored(1, State.AUTHORISED))
    assert (some.count(State.PENDING), some.count(State.AUTHORISED)) == (1, 1)
    labels = {"state": "pending"}
    assert registry.get_sample_value("mailweir_greylist_entries", labels) == 1


async def test_a_long_search_lets_others_have_their_turn() -> None:
    some = index(100_000)
    for number in range(1, ROWS_A_TURN * 3):
        some.take(stored(number))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    assert (await page(some, text="nobody")).entries == ()
    task.cancel()
    assert turns >= 2


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with running_server() as nats, connected_bus(nats.url) as real:
        yield real


async def test_it_follows_the_bucket(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    bucket = await bus.bucket(GREYLIST)
    early, late = stored(1), stored(2)
    await bucket.put(early.key, early.value or b"", ttl_seconds=100)
    await bucket.put("m.start", b"{}")
    some = Index(bus, 10, declare(CollectorRegistry()), ManualClock())
    task = asyncio.ensure_future(some.run())

    async def until(wanted: list[str]) -> None:
        async with asyncio.timeout(10):
            while senders(await page(some)) != wanted:
                await asyncio.sleep(0.02)

    await until(["Ann1@example.net"])
    await bucket.put(late.key, late.value or b"", ttl_seconds=100)
    await until(["Ann2@example.net", "Ann1@example.net"])
    await bucket.delete(early.key)
    await until(["Ann2@example.net"])
    await bucket.put(late.key, late.value or b"", ttl_seconds=1)
    await until([])
    task.cancel()


async def test_it_catches_up_part_by_part(bus: Bus) -> None:
    bucket = await bus.bucket(GREYLIST)
    async with asyncio.TaskGroup() as tasks:
        for number in range(ROWS_A_TURN + 100):
            entry = stored(number)
            tasks.create_task(bucket.put(entry.key, entry.value or b"", ttl_seconds=100))
    some = Index(bus, 10_000, declare(CollectorRegistry()), ManualClock())
    await some.catch_up()
    assert some.count(State.PENDING) == ROWS_A_TURN + 100


async def test_what_ran_out_is_swept_and_not_counted_any_more() -> None:
    some = index()
    some.take(stored(1))
    some.take(stored(2, expires_at=NOW + 200))
    await some.sweep(NOW + 150)
    assert some.count(State.PENDING) == 1
    assert senders(await page(some)) == ["Ann2@example.net"]


async def test_a_broker_that_came_back_empty_empties_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "OUTAGE_SECONDS", 0.01)
    bus = MemoryBus()
    bucket = await bus.bucket(GREYLIST)
    entry = stored(1)
    await bucket.put(entry.key, entry.value or b"")
    some = Index(bus, 10, declare(CollectorRegistry()), ManualClock())
    task = asyncio.ensure_future(some.run())

    async def until(number: int) -> None:
        async with asyncio.timeout(10):
            while some.count(State.PENDING) != number:
                await asyncio.sleep(0.01)

    await until(1)
    bus.outage = BusUnavailable("away")
    bus.connections += 1
    await asyncio.sleep(0.05)
    assert some.count(State.PENDING) == 1  # old ones are better than none
    bus.outage = None
    other = stored(2)
    await bucket.delete(entry.key)
    await bucket.put(other.key, other.value or b"")
    bus.connections += 1
    await asyncio.sleep(0.05)
    await until(1)
    assert senders(await page(some)) == ["Ann2@example.net"]
    task.cancel()
