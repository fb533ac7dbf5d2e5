"""What the broker holds and what waits there, asked by one service for all of them.

A pull loop knows the lag of its own consumer; where the service is gone, nobody would see what piles up.
"""

import asyncio
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from mailweir_runtime.bus.ports import Bus, BusError, Held
from mailweir_runtime.bus.topology import BODIES, CONSUMERS, STREAMS
from mailweir_runtime.logs import get_logger

LOOK_SECONDS: Final = 10.0
UNKNOWN: Final = float("nan")
"""What a gauge shows that nobody can tell; it is neither over nor under any limit."""
SHOWN: Final = (*(spec.name for spec in STREAMS), f"OBJ_{BODIES}")
"""Streams whose fill is shown: those of messages, and the one under the store of bodies."""

_log = get_logger(__name__)


class HoldingsMetrics:
    """How full the broker's store is, by stream and in all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series."""
        self.messages = Gauge(
            "mailweir_bus_stream_messages", "Messages in a stream.", ["stream"], registry=registry
        )
        self.bytes = Gauge(
            "mailweir_bus_stream_bytes", "Bytes in a stream.", ["stream"], registry=registry
        )
        self.used = Gauge(
            "mailweir_bus_store_used_bytes", "What the broker's store holds.", registry=registry
        )
        self.limit = Gauge(
            "mailweir_bus_store_limit_bytes",
            "What it may hold; not a number where nobody has said so.",
            registry=registry,
        )
        for stream in SHOWN:
            self.messages.labels(stream)
            self.bytes.labels(stream)
        self.limit.set(UNKNOWN)

    def show(self, held: Held) -> None:
        """Show what is held."""
        self.used.set(held.store_bytes)
        for stream in held.streams:
            self.messages.labels(stream.name).set(stream.messages)
            self.bytes.labels(stream.name).set(stream.bytes)


async def watch_holdings(bus: Bus, metrics: HoldingsMetrics, limit_bytes: int = 0) -> None:
    """Keep the gauges fresh, and every consumer's lag; `limit_bytes`: 0 where nobody knows."""
    metrics.limit.set(limit_bytes or UNKNOWN)
    while True:
        try:
            metrics.show(await bus.held(SHOWN))
            for spec in CONSUMERS:
                consumer = await bus.consumer(spec)
                bus.metrics.lag.labels(spec.name).set(await consumer.lag())
        except BusError as error:
            _log.debug("holdings_unknown", detail=str(error))
        await asyncio.sleep(LOOK_SECONDS)
