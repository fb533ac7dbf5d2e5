"""The heartbeat and the list of who lives."""

import asyncio
import os

import pytest

from mailweir.events.v1 import events_pb2
from mailweir_core.clock import ManualClock
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import SERVICES
from mailweir_runtime.config import static_config
from mailweir_runtime.heartbeat import HEARTBEAT_SECONDS, heartbeat, live_services
from mailweir_runtime.settings import ServiceSettings
from mailweir_testkit.runtime import running_runtime


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(clock: ManualClock) -> MemoryBus:
    return MemoryBus(clock)


async def one_beat(bus: MemoryBus) -> events_pb2.ServiceStatus:
    async with asyncio.timeout(2):
        while not (found := await live_services(bus)):
            await asyncio.sleep(0.005)
    return found[0]


async def test_a_process_tells_what_it_is(bus: MemoryBus, clock: ManualClock) -> None:
    settings = ServiceSettings(instance="pod-1")
    async with running_runtime("scoring", settings, clock=clock) as rt:
        rt.metrics_url = "http://127.0.0.1:1/metrics"
        rt.ready()
        rt.degraded("half a brain")
        beat = heartbeat(rt, bus, static_config(version="v.3"), rules="r7", model=lambda: "m2")
        async with rt.background(beat):
            status = await one_beat(bus)
        assert (status.name, status.instance, status.pid) == ("scoring", "pod-1", os.getpid())
        assert (status.state, status.detail) == ("degraded", "half a brain")
        assert (status.config_version, status.rules_version, status.model_version) == (
            "v.3",
            "r7",
            "m2",
        )
        assert status.metrics_url == "http://127.0.0.1:1/metrics"
        assert status.started_at == status.at == clock.now()
        assert status.version == rt.version


async def test_who_stops_is_gone_at_once(bus: MemoryBus) -> None:
    async with running_runtime() as rt:
        async with rt.background(heartbeat(rt, bus, None)):
            await one_beat(bus)
        assert await live_services(bus) == []


async def test_who_dies_is_gone_with_the_ttl(bus: MemoryBus, clock: ManualClock) -> None:
    async with running_runtime() as rt, rt.background(heartbeat(rt, bus, None)):
        await one_beat(bus)
        clock.advance(SERVICES.ttl_seconds)
        assert await live_services(bus) == []


async def test_an_outage_is_outlived(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_runtime.heartbeat.LOOK_SECONDS", 0.01)
    async with running_runtime() as rt:
        bus.outage = BusUnavailable("away")
        async with rt.background(heartbeat(rt, bus, None)):
            await asyncio.sleep(0.05)
            bus.outage = None
            await one_beat(bus)
            bus.outage = BusUnavailable("away")
        bus.outage = None
        assert len(await live_services(bus)) == 1  # it could not say goodbye


async def test_a_change_is_told_before_the_next_beat(
    bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_runtime.heartbeat.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("mailweir_runtime.heartbeat._LOOKS_A_BEAT", 1_000_000)
    async with running_runtime() as rt, rt.background(heartbeat(rt, bus, None)):
        assert (await one_beat(bus)).state == "starting"
        rt.ready()
        async with asyncio.timeout(2):
            while (await one_beat(bus)).state != "ready":
                await asyncio.sleep(0.005)


async def test_without_a_change_there_is_one_write_a_beat(
    bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_runtime.heartbeat.LOOK_SECONDS", 0.001)
    monkeypatch.setattr("mailweir_runtime.heartbeat._LOOKS_A_BEAT", 1_000_000)
    async with running_runtime() as rt, rt.background(heartbeat(rt, bus, None)):
        await one_beat(bus)
        bucket = await bus.bucket(SERVICES)
        (first,) = await bucket.entries()
        await asyncio.sleep(0.05)
        assert (await bucket.entries())[0].revision == first.revision


async def test_a_broken_entry_is_left_out(bus: MemoryBus) -> None:
    bucket = await bus.bucket(SERVICES)
    await bucket.put("bad.1", b"\xff\xff\xff")
    for name, instance in (("scoring", "b"), ("scoring", "a"), ("ingress", "z")):
        status = events_pb2.ServiceStatus(name=name, instance=instance)
        await bucket.put(f"{name}.{instance}", status.SerializeToString())
    found = [(status.name, status.instance) for status in await live_services(bus)]
    assert found == [("ingress", "z"), ("scoring", "a"), ("scoring", "b")]


def test_two_beats_may_be_lost() -> None:
    assert SERVICES.ttl_seconds >= HEARTBEAT_SECONDS * 3
