"""Bans at hand: one contract for those on the bus and those in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key, dump_ban, paused_login
from mailweir_core.clock import ManualClock
from mailweir_core.entries import ListEntry, dump_entry, make_entry
from mailweir_core.hits import Hits, hits_key, load_hits
from mailweir_ingress.adapters import bans as module
from mailweir_ingress.adapters.bans import BusBans, MemoryBans
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import BANS, LISTS, RATES

CLIENT = ip_address("192.0.2.7")
NOW = 1000.0


def a_ban(subject: str = "192.0.2.0/24", *, until: float = 0.0, since: float = 1.0) -> Ban:
    """Return a ban."""
    return Ban(subject, OffenceKind.UNKNOWN_USER, "x@example.com", since, until)


@dataclass(frozen=True, slots=True)
class World:
    """Bans at hand, and how others change what they come from."""

    bans: MemoryBans
    ban: Callable[[Ban], Awaitable[object]]
    unban: Callable[[str], Awaitable[object]]
    allow: Callable[[ListEntry], Awaitable[object]]
    disallow: Callable[[ListEntry], Awaitable[object]]


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def following(bus: MemoryBus, clock: ManualClock) -> AsyncIterator[BusBans]:
    """Yield bans that follow a bus, once they have read it."""
    found = BusBans(bus, clock, "mx-1")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(found.follow())
        assert await found.first(5)
        yield found
        task.cancel()


@pytest.fixture(params=["memory", "bus"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        bans = MemoryBans()

        async def later(change: Callable[[], None]) -> None:
            change()

        yield World(
            bans,
            lambda ban: later(lambda: bans.put(ban)),
            lambda subject: later(lambda: bans.remove(ban_key(subject))),
            lambda entry: later(lambda: bans.take(entry.id, entry)),
            lambda entry: later(lambda: bans.take(entry.id, None)),
        )
        return
    bus = MemoryBus()
    kept, lists = await bus.bucket(BANS), await bus.bucket(LISTS)
    async with following(bus, ManualClock()) as bans:
        yield World(
            bans,
            lambda ban: kept.put(ban_key(ban.subject), dump_ban(ban)),
            lambda subject: kept.delete(ban_key(subject)),
            lambda entry: lists.put(entry.id, dump_entry(entry)),
            lambda entry: lists.delete(entry.id),
        )


async def test_a_ban_holds_until_it_is_lifted(world: World) -> None:
    assert world.bans.of(CLIENT, NOW) is None
    await world.ban(a_ban())
    await until(lambda: world.bans.of(CLIENT, NOW) == a_ban())
    assert world.bans.of(ip_address("192.0.3.7"), NOW) is None
    assert world.bans.of(None, NOW) is None
    await world.unban("192.0.2.0/24")
    await until(lambda: world.bans.of(CLIENT, NOW) is None)


async def test_a_ban_ends_at_its_time(world: World) -> None:
    await world.ban(a_ban(until=NOW))
    await until(lambda: world.bans.of(CLIENT, NOW - 1) is not None)
    assert world.bans.of(CLIENT, NOW) is None


async def test_accounts_are_banned_by_name(world: World) -> None:
    await world.ban(a_ban("account:anna"))
    await until(lambda: world.bans.account("anna", NOW) is not None)
    assert world.bans.account("bob", NOW) is None
    paused = paused_login("bob", CLIENT)
    await world.ban(a_ban(f"account:{paused}"))
    await until(lambda: world.bans.account(paused, NOW) is not None)
    assert world.bans.of(CLIENT, NOW) is None


@pytest.mark.parametrize("item", ["192.0.2.7", "192.0.2.0/28", "192.0.2.5-192.0.2.8"])
async def test_an_allow_beats_a_ban(world: World, item: str) -> None:
    await world.ban(a_ban())
    await until(lambda: world.bans.of(CLIENT, NOW) is not None)
    entry = make_entry("allow", item, expires=NOW + 10)
    await world.allow(entry)
    await until(lambda: world.bans.of(CLIENT, NOW) is None)
    assert world.bans.of(ip_address("192.0.2.200"), NOW) is not None
    assert world.bans.of(CLIENT, NOW + 10) is not None
    await world.disallow(entry)
    await until(lambda: world.bans.of(CLIENT, NOW) is not None)


@pytest.mark.parametrize(
    "entry",
    [
        make_entry("block", "192.0.2.7"),
        make_entry("allow", "host:mail.example.net"),
        make_entry("allow", "anna@example.net"),
        make_entry("allow", "192.0.2.7", owner="domain:example.com"),
        make_entry("allow", "192.0.2.7", recipients=("bob@example.com",)),
    ],
)
async def test_what_does_not_allow_a_client_everything_beats_no_ban(
    world: World, entry: ListEntry
) -> None:
    await world.allow(entry)
    await world.ban(a_ban())
    await until(lambda: world.bans.of(CLIENT, NOW) is not None)
    await asyncio.sleep(0.02)
    assert world.bans.of(CLIENT, NOW) is not None


async def test_who_wants_to_know_is_told_of_each_new_ban_once(world: World) -> None:
    told: list[Ban] = []
    world.bans.subscribe(told.append)
    await world.ban(a_ban())
    await until(lambda: told == [a_ban()])
    await world.ban(a_ban())  # the same again
    await world.ban(a_ban(until=NOW))
    await until(lambda: len(told) == 2)
    assert told == [a_ban(), a_ban(until=NOW)]


async def test_hits_count_for_the_ban_in_force(world: World) -> None:
    await world.ban(a_ban())
    await until(lambda: world.bans.of(CLIENT, NOW) is not None)
    for n in range(3):
        world.bans.hit(a_ban(), NOW + n)
    assert world.bans.counts == {"192.0.2.0/24": Hits(3, NOW + 2)}
    await world.ban(a_ban(until=NOW + 99))  # longer, but the same
    await until(lambda: world.bans.of(CLIENT, NOW) == a_ban(until=NOW + 99))
    assert world.bans.counts["192.0.2.0/24"].count == 3
    await world.ban(a_ban(since=2.0))
    await until(lambda: world.bans.counts == {})
    world.bans.hit(a_ban(since=2.0), NOW)
    await world.unban("192.0.2.0/24")
    await until(lambda: world.bans.of(CLIENT, NOW) is None)
    assert world.bans.counts == {}


def test_counts_are_returned_once_and_so_many_at_a_time() -> None:
    bans = MemoryBans()
    for n in range(5):
        bans.put(a_ban(f"192.0.2.{n}"))
        bans.hit(a_ban(f"192.0.2.{n}"), NOW)
    first = bans.changed_counts(3)
    assert [ban.subject for ban, _ in first] == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    bans.remove(ban_key("192.0.2.3"))
    assert [ban.subject for ban, _ in bans.changed_counts(3)] == ["192.0.2.4"]
    assert bans.changed_counts(3) == []


# -- what is the bus's alone


async def test_counts_are_written_for_others_to_add_up() -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    bans = BusBans(bus, clock, "mx-1.host")
    ban = a_ban(until=clock.now() + 100)
    bans.put(ban)
    for _ in range(7):
        bans.hit(ban, clock.now())
    await bans.write_counts()
    rates = await bus.bucket(RATES)
    entry = await rates.get(hits_key(ban.subject, "mx-1.host"))
    assert entry is not None
    assert entry.value is not None
    assert load_hits(entry.value) == Hits(7, clock.now())
    revision = entry.revision
    await bans.write_counts()  # nothing new
    entry = await rates.get(hits_key(ban.subject, "mx-1.host"))
    assert entry is not None
    assert entry.revision == revision
    clock.advance(100 + module.HITS_LINGER_SECONDS + 1)
    assert await rates.get(hits_key(ban.subject, "mx-1.host")) is None


async def test_counts_that_cannot_be_written_go_on() -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    bans = BusBans(bus, clock, "mx-1")
    bans.put(a_ban())
    bans.hit(a_ban(), NOW)
    bus.outage = BusUnavailable("as the test wants")
    await bans.write_counts()
    bus.outage = None
    bans.hit(a_ban(), NOW)
    await bans.write_counts()
    entry = await (await bus.bucket(RATES)).get(hits_key("192.0.2.0/24", "mx-1"))
    assert entry is not None
    assert entry.value is not None
    assert load_hits(entry.value).count == 2


async def test_bans_that_have_ended_are_forgotten() -> None:
    clock = ManualClock()
    bans = BusBans(MemoryBus(clock=clock), clock, "mx-1")
    bans.put(a_ban(until=clock.now() + 5))
    await bans.write_counts()
    assert len(bans.index) == 1
    clock.advance(5)
    await bans.write_counts()
    assert len(bans.index) == 0


async def test_what_is_no_ban_bans_nobody_and_the_others_hold() -> None:
    bus = MemoryBus()
    kept = await bus.bucket(BANS)
    await kept.put("nonsense", b"{}")
    await kept.put(ban_key("192.0.2.0/24"), dump_ban(a_ban("198.51.100.0/24")))  # not its key
    await kept.put(ban_key("203.0.113.0/24"), dump_ban(a_ban("203.0.113.0/24")))
    await (await bus.bucket(LISTS)).put("nonsense", b"no entry")
    async with following(bus, ManualClock()) as bans:
        assert bans.of(ip_address("203.0.113.9"), NOW) is not None
        assert bans.of(CLIENT, NOW) is None
        assert bans.of(ip_address("198.51.100.9"), NOW) is None
        # one that becomes unreadable holds no longer
        await kept.put(ban_key("203.0.113.0/24"), b"garbage")
        await until(lambda: bans.of(ip_address("203.0.113.9"), NOW) is None)


async def test_bans_hold_while_the_bus_is_away_and_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    bus, clock = MemoryBus(), ManualClock()
    kept = await bus.bucket(BANS)
    await kept.put(ban_key("192.0.2.0/24"), dump_ban(a_ban()))
    bus.outage = BusUnavailable("as the test wants")
    found = BusBans(bus, clock, "mx-1")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(found.follow())
        assert not await found.first(0.03)
        bus.outage = None
        assert await found.first(5)
        assert found.of(CLIENT, NOW) is not None
        task.cancel()


async def test_a_ban_that_went_while_nobody_looked_is_forgotten() -> None:
    bus, clock = MemoryBus(), ManualClock()
    found = BusBans(bus, clock, "mx-1")
    found.put(a_ban())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(found.follow())
        assert await found.first(5)
        assert found.of(CLIENT, NOW) is None
        task.cancel()


async def test_two_processes_agree_within_a_second() -> None:
    bus, clock = MemoryBus(), ManualClock()
    kept = await bus.bucket(BANS)
    async with following(bus, clock) as one, following(bus, clock) as two, asyncio.timeout(1):
        ban = replace(a_ban(), close_all=True)
        await kept.put(ban_key(ban.subject), dump_ban(ban))
        await until(lambda: one.of(CLIENT, NOW) == two.of(CLIENT, NOW) == ban)
        await kept.delete(ban_key(ban.subject))
        await until(lambda: one.of(CLIENT, NOW) is None and two.of(CLIENT, NOW) is None)


async def test_who_is_blocked_is_known_here(world: World) -> None:
    entry = make_entry("block", "192.0.2.0/24", expires=NOW + 10)
    await world.allow(entry)
    await until(lambda: world.bans.blocks(CLIENT, NOW))
    assert not world.bans.allows(CLIENT, NOW)
    assert not world.bans.blocks(ip_address("192.0.3.7"), NOW)
    assert not world.bans.blocks(None, NOW)
    assert not world.bans.blocks(CLIENT, NOW + 10)
    assert world.bans.of(CLIENT, NOW) is None  # which is for the edge to say
    await world.disallow(entry)
    await until(lambda: not world.bans.blocks(CLIENT, NOW))
