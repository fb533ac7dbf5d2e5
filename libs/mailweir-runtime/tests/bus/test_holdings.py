"""What one service shows of the broker's store and of everybody's lag."""

import asyncio
import math

from prometheus_client import CollectorRegistry

from mailweir_runtime.bus.holdings import SHOWN, HoldingsMetrics, watch_holdings
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import CONSUMERS, deliver_subject


async def looked(bus: MemoryBus, limit: int = 0) -> CollectorRegistry:
    """Return the registry after one look."""
    registry = CollectorRegistry()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch_holdings(bus, HoldingsMetrics(registry), limit))
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
    return registry


def test_every_stream_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    HoldingsMetrics(registry)
    for stream in SHOWN:
        for name in ("messages", "bytes"):
            labels = {"stream": stream}
            assert registry.get_sample_value(f"mailweir_bus_stream_{name}", labels) == 0


async def test_streams_store_and_limit_are_shown() -> None:
    bus = MemoryBus()
    await bus.publish(deliver_subject("s0", "a"), b"x" * 100)
    registry = await looked(bus, 1000)
    mail = {"stream": "MAIL"}
    assert registry.get_sample_value("mailweir_bus_stream_messages", mail) == 1
    assert registry.get_sample_value("mailweir_bus_stream_bytes", mail) == 100
    assert registry.get_sample_value("mailweir_bus_store_used_bytes") == 100
    assert registry.get_sample_value("mailweir_bus_store_limit_bytes") == 1000


async def test_a_limit_that_nobody_knows_is_no_number() -> None:
    registry = await looked(MemoryBus())
    limit = registry.get_sample_value("mailweir_bus_store_limit_bytes")
    assert limit is not None
    assert math.isnan(limit)


async def test_the_lag_of_every_consumer_is_shown_whoever_it_belongs_to() -> None:
    bus = MemoryBus()
    await bus.publish(deliver_subject("s0", "a"), b"x")
    await looked(bus)
    lags = {spec.name: bus.metrics.lag.labels(spec.name)._value.get() for spec in CONSUMERS}
    assert lags == {**dict.fromkeys((spec.name for spec in CONSUMERS), 0), "deliverer": 1}


async def test_a_broker_that_is_away_ends_nothing() -> None:
    bus = MemoryBus()
    bus.outage = BusUnavailable("away")
    registry = await looked(bus, 5)
    assert registry.get_sample_value("mailweir_bus_store_used_bytes") == 0
    assert registry.get_sample_value("mailweir_bus_store_limit_bytes") == 5
