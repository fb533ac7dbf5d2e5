"""Stores of histories and entries on each of their adapters."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics, declare_acquaintances
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus
from mailweir_testkit.nats import connected_bus, running_server

REAL = pytest.param("nats", marks=[pytest.mark.integration, pytest.mark.timeout(60)])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics() -> AcquaintanceMetrics:
    return declare_acquaintances(CollectorRegistry())


@pytest.fixture(params=["memory", REAL])
async def bus(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Bus]:
    """A bus in memory, and one over a real server."""
    if request.param == "memory":
        yield MemoryBus(clock=clock)
        return
    async with running_server() as server, connected_bus(server.url) as connected:
        yield connected
