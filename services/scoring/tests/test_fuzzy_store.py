"""The contract of the store of labelled fingerprints: in memory, on a bus in memory, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_model.fingerprint import BANDS, Fingerprint, FuzzyBook, Kind, Label
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import FUZZY
from mailweir_scoring.adapters.fuzzy import BookKeeper, BusFuzzyStore, MemoryFuzzyStore, StoreFull
from mailweir_scoring.campaign_metrics import declare_campaigns
from mailweir_scoring.ports import FuzzyStore
from mailweir_testkit.nats import connected_bus, nats_server

FILE = Fingerprint(Kind.FILE, "ab" * 16)
LINKS = Fingerprint(Kind.LINKS, "cd" * 16)
SUBJECT = Fingerprint(Kind.SUBJECT, "ef" * 16)


def text(*changed: int) -> Fingerprint:
    bands = [f"{n + (1000 if n in changed else 1):016x}" for n in range(BANDS)]
    return Fingerprint(Kind.TEXT, "".join(bands))


@dataclass
class World:
    """A store, and the book that readers have."""

    store: FuzzyStore
    book: Callable[[], FuzzyBook]

    async def known(self, *prints: Fingerprint) -> list[tuple[Kind, float, float]]:
        return [(m.fingerprint.kind, m.entry.spam, m.entry.ham) for m in self.book().look(prints)]

    async def until(self, *wanted: tuple[Kind, float, float], of: tuple[Fingerprint, ...]) -> None:
        async with asyncio.timeout(10):
            while await self.known(*of) != list(wanted):
                await asyncio.sleep(0.01)


@pytest.fixture(params=["memory", "bus", pytest.param("nats", marks=pytest.mark.integration)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    clock = ManualClock()
    if request.param == "memory":
        memory = MemoryFuzzyStore(clock, most=4)
        yield World(memory, lambda: memory.book)
    elif request.param == "bus":
        async with followed(MemoryBus(), clock) as made:
            yield made
    else:
        async with nats_server() as url, connected_bus(url) as bus, followed(bus, clock) as made:
            yield made


class followed:  # noqa: N801 - used like a function
    """A store on a bus with a keeper that reads along."""

    def __init__(self, bus: Bus, clock: ManualClock) -> None:
        self.registry = CollectorRegistry()
        self.keeper = BookKeeper(
            bus, declare_campaigns(self.registry), lambda _: None, most=4, pause=0.02
        )
        self.world = World(
            BusFuzzyStore(bus, lambda: self.keeper.book, clock, most=4), lambda: self.keeper.book
        )

    async def __aenter__(self) -> World:
        self.task = asyncio.ensure_future(self.keeper.run())
        return self.world

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


async def test_labels_add_up(world: World) -> None:
    await world.store.learn((FILE, LINKS), Label.SPAM)
    await world.store.learn((FILE,), Label.SPAM, 2.5)
    await world.until((Kind.FILE, 3.5, 0), (Kind.LINKS, 1, 0), of=(FILE, LINKS))


async def test_labels_of_the_other_kind_stand_against_them(world: World) -> None:
    await world.store.learn((FILE,), Label.SPAM, 3)
    await world.store.learn((FILE,), Label.HAM, 1)
    await world.until((Kind.FILE, 3, 1), of=(FILE,))


async def test_unlearning_takes_back_and_no_more(world: World) -> None:
    await world.store.learn((FILE, LINKS), Label.SPAM, 2)
    await world.until((Kind.FILE, 2, 0), (Kind.LINKS, 2, 0), of=(FILE, LINKS))
    await world.store.unlearn((FILE,), Label.SPAM, 0.5)
    await world.store.unlearn((LINKS,), Label.SPAM, 99)
    await world.store.unlearn((SUBJECT, text()), Label.SPAM)  # never learnt
    await world.until((Kind.FILE, 1.5, 0), of=(FILE, LINKS, text()))


async def test_copies_of_a_text_add_to_one_entry(world: World) -> None:
    await world.store.learn((text(),), Label.SPAM)
    await world.until((Kind.TEXT, 1, 0), of=(text(),))
    await world.store.learn((text(0, 1),), Label.SPAM)
    await world.until((Kind.TEXT, 2, 0), of=(text(7),))
    assert len(world.book()) == 1


async def test_subjects_are_not_learnt(world: World) -> None:
    await world.store.learn((SUBJECT, FILE), Label.SPAM)
    await world.until((Kind.FILE, 1, 0), of=(SUBJECT, FILE))


async def test_it_takes_no_more_than_it_may(world: World) -> None:
    prints = tuple(Fingerprint(Kind.FILE, f"{n:02x}" * 16) for n in range(5))
    await world.store.learn(prints[:4], Label.SPAM)
    await world.until(*[(Kind.FILE, 1, 0)] * 4, of=prints)
    with pytest.raises(StoreFull):
        await world.store.learn(prints[4:], Label.SPAM)
    await world.store.learn(prints[:1], Label.SPAM)  # a known one still learns
    await world.until((Kind.FILE, 2, 0), of=prints[:1])


async def test_many_who_label_at_once_lose_nothing(world: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(world.store.learn((FILE,), Label.SPAM))
    await world.until((Kind.FILE, 5, 0), of=(FILE,))


async def test_without_the_bus_a_label_is_refused_and_the_book_stays() -> None:
    bus = MemoryBus()
    async with followed(bus, ManualClock()) as world:
        await world.store.learn((FILE,), Label.SPAM)
        await world.until((Kind.FILE, 1, 0), of=(FILE,))
        bus.outage = BusUnavailable("gone")
        with pytest.raises(BusUnavailable):
            await world.store.learn((FILE,), Label.SPAM)
        assert await world.known(FILE) == [(Kind.FILE, 1, 0)]


async def test_what_cannot_be_read_and_what_is_too_much_is_left_out_and_counted() -> None:
    bus = MemoryBus()
    bucket = await bus.bucket(FUZZY)
    await bucket.put("file.nonsense", b"{}")
    for number in range(6):
        value = b'{"spam": 1, "ham": 0, "at": %d}' % number
        await bucket.put(f"file.{number:02x}", value)
    reader = followed(bus, ManualClock())
    async with reader as world:
        async with asyncio.timeout(10):
            while len(world.book()) < 4:
                await asyncio.sleep(0.01)
    oldest = [Fingerprint(Kind.FILE, f"{n:02x}") for n in range(6)]
    assert [bool(await world.known(f)) for f in oldest] == [False] * 2 + [True] * 4
    name = "mailweir_scoring_fuzzy_dropped_total"
    assert reader.registry.get_sample_value(name, {"cause": "limit"}) == 2
    assert reader.registry.get_sample_value(name, {"cause": "unreadable"}) == 1
    assert reader.registry.get_sample_value("mailweir_scoring_fuzzy_entries") == 4
