"""Passes: one contract for those on the bus and those in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.net import Address
from mailweir_ingress.adapters import passes as module
from mailweir_ingress.adapters.passes import BusPasses, MemoryPasses
from mailweir_ingress.metrics import PassFound, declare
from mailweir_ingress.ports import Passes
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import PASSES

CLIENT, OTHER = ip_address("192.0.2.7"), ip_address("192.0.2.8")
SIX = ip_address("2001:db8:0:1::7")


@dataclass(frozen=True, slots=True)
class World:
    """Passes, and the clock they go by."""

    passes: Passes
    clock: ManualClock


@dataclass(frozen=True, slots=True)
class Process:
    """One process's passes, with what it counts."""

    passes: BusPasses
    registry: CollectorRegistry

    def lookups(self, outcome: PassFound) -> float:
        """Return how many look-ups ended so."""
        name = "mailweir_ingress_pass_lookups_total"
        return self.registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    def unstored(self) -> float:
        """Return how many passes no other process knows of."""
        return self.registry.get_sample_value("mailweir_ingress_passes_unstored_total") or 0.0


@asynccontextmanager
async def a_process(bus: MemoryBus, clock: ManualClock) -> AsyncIterator[Process]:
    """Run what a process does with passes."""
    registry = CollectorRegistry()
    passes = BusPasses(bus, clock, declare(registry))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(passes.store())
        yield Process(passes, registry)
        task.cancel()


@pytest.fixture(params=["memory", "bus"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    clock = ManualClock()
    if request.param == "memory":
        yield World(MemoryPasses(clock), clock)
        return
    async with a_process(MemoryBus(clock=clock), clock) as process:
        yield World(process.passes, clock)


async def stored(bus: MemoryBus, count: int) -> None:
    """Wait until so many passes are in the bucket."""
    bucket = await bus.bucket(PASSES)
    async with asyncio.timeout(5):
        while len(await bucket.entries()) != count:
            await asyncio.sleep(0.002)


async def test_a_pass_is_a_clients_own_and_ends(world: World) -> None:
    assert not await world.passes.holds(CLIENT)
    world.passes.grant(CLIENT, 100)
    await asyncio.sleep(0.01)
    assert await world.passes.holds(CLIENT)
    assert not await world.passes.holds(OTHER)
    world.clock.advance(99)
    assert await world.passes.holds(CLIENT)
    world.clock.advance(2)
    assert not await world.passes.holds(CLIENT)


async def test_a_subscriber_of_ipv6_is_one_client(world: World) -> None:
    world.passes.grant(SIX, 100)
    assert await world.passes.holds(ip_address("2001:db8:0:1:ffff::1"))
    assert not await world.passes.holds(ip_address("2001:db8:0:2::7"))


async def test_a_pass_may_be_granted_anew(world: World) -> None:
    world.passes.grant(CLIENT, 10)
    world.clock.advance(9)
    world.passes.grant(CLIENT, 10)
    world.clock.advance(9)
    assert await world.passes.holds(CLIENT)


async def test_only_so_many_are_remembered_and_the_unused_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_HAND", 2)
    passes = MemoryPasses(ManualClock())
    passes.grant(CLIENT, 100)
    passes.grant(OTHER, 100)
    assert await passes.holds(CLIENT)
    passes.grant(SIX, 100)
    assert await passes.holds(CLIENT)
    assert not await passes.holds(OTHER)


# -- what is the bus's alone


@pytest.mark.parametrize("client", [CLIENT, SIX])
async def test_a_pass_of_one_process_is_good_at_another(client: Address) -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    async with a_process(bus, clock) as one, a_process(bus, clock) as two:
        one.passes.grant(client, 1000)
        await stored(bus, 1)
        assert await two.passes.holds(client)
        assert await two.passes.holds(client)
        assert (two.lookups(PassFound.THERE), two.lookups(PassFound.HERE)) == (1, 1)
        clock.advance(module.FOUND_SECONDS + 1)
        assert await two.passes.holds(client)
        assert two.lookups(PassFound.THERE) == 2
        clock.advance(1000)
        assert not await one.passes.holds(client)
        assert (one.lookups(PassFound.NONE), two.lookups(PassFound.NONE)) == (1, 0)


async def test_a_look_up_that_fails_finds_none_and_is_counted() -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    async with a_process(bus, clock) as process:
        bus.outage = BusUnavailable("as the test wants")
        assert not await process.passes.holds(CLIENT)
        assert process.lookups(PassFound.FAILED) == 1
        bus.outage = None
        assert not await process.passes.holds(CLIENT)
        assert process.lookups(PassFound.NONE) == 1


async def test_a_look_up_that_takes_long_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowBus(MemoryBus):
        async def bucket(self, spec: object) -> object:  # type: ignore[override]
            del spec
            await asyncio.sleep(60)
            raise AssertionError

    monkeypatch.setattr(module, "LOOKUP_SECONDS", 0.01)
    clock = ManualClock()
    async with a_process(SlowBus(clock=clock), clock) as process:
        assert not await process.passes.holds(CLIENT)
        assert process.lookups(PassFound.FAILED) == 1


async def test_a_pass_that_cannot_be_stored_is_good_here() -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    async with a_process(bus, clock) as process:
        bus.outage = BusUnavailable("as the test wants")
        process.passes.grant(CLIENT, 100)
        await asyncio.sleep(0.02)
        assert process.unstored() == 1
        assert await process.passes.holds(CLIENT)


async def test_only_so_many_wait_to_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GRANTS", 1)
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    async with a_process(bus, clock) as process:
        process.passes.grant(CLIENT, 100)
        process.passes.grant(OTHER, 100)
        assert process.unstored() == 1
        assert await process.passes.holds(OTHER)
        await stored(bus, 1)
