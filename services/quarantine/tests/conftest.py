"""The record store on each of its adapters."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_quarantine.adapters.memory import MemoryRecords
from mailweir_quarantine.adapters.sql import MIGRATIONS, SCHEMA, SqlRecords
from mailweir_quarantine.consumers import Desk
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.patience import Patience
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.releases import Releases
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Message
from mailweir_runtime.bus.topology import ConsumerSpec
from mailweir_runtime.sql import Database, migrate, open_database
from mailweir_testkit.postgres import PostgresServer, PostgresUnavailable, postgres_server

SQL = (
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgres", marks=pytest.mark.integration),
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; a database is made per test."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(params=SQL)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/quarantine.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with the newest schema."""
    async with open_database(database_url, schema=SCHEMA) as opened:
        await migrate(opened, MIGRATIONS)
        yield opened


@pytest_asyncio.fixture(params=("memory", *SQL))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordStore]:
    """The record store, empty, on each adapter."""
    if request.param == "memory":
        yield MemoryRecords()
        return
    if request.param == "sqlite":
        async with _sql_store(f"sqlite+aiosqlite:///{tmp_path}/quarantine.db") as records:
            yield records
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        async with _sql_store(url) as records:
            yield records


@asynccontextmanager
async def _sql_store(url: str) -> AsyncIterator[SqlRecords]:
    async with open_database(url, schema=SCHEMA) as opened:
        await migrate(opened, MIGRATIONS)
        yield SqlRecords(opened)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at `mailweir_testkit.events.NOW`."""
    return ManualClock()


@dataclass(frozen=True, slots=True)
class World:
    """A quarantine without process and database: what its parts work with, all in memory."""

    clock: ManualClock
    bus: MemoryBus
    store: MemoryRecords
    metrics: QuarantineMetrics
    registry: CollectorRegistry
    desk: Desk
    releases: Releases
    stopping: asyncio.Event
    states: list[str]

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        found = self.registry.get_sample_value(f"mailweir_quarantine_{name}", labels)
        assert found is not None, f"no series {name} {labels}"
        return found

    async def fetch(self, spec: ConsumerSpec, most: int = 300) -> Sequence[Message]:
        """Return what lies ready for a consumer."""
        consumer = await self.bus.consumer(spec)
        return await consumer.fetch(most, 0.01)


class _States:
    def __init__(self, states: list[str]) -> None:
        self._states = states

    def degraded(self, detail: str, *, part: str = "") -> None:
        self._states.append(f"degraded {part}: {detail}")

    def recovered(self, part: str = "") -> None:
        self._states.append(f"recovered {part}")


@pytest.fixture
def world(clock: ManualClock) -> World:
    """A quarantine in memory."""
    registry, store, bus = CollectorRegistry(), MemoryRecords(), MemoryBus(clock)
    metrics, stopping, states = QuarantineMetrics(registry), asyncio.Event(), list[str]()
    patience = Patience(_States(states), metrics.sql_errors, stopping, first=0.01)
    desk = Desk(store, patience, metrics, clock)
    releases = Releases(store, bus, metrics, clock)
    return World(clock, bus, store, metrics, registry, desk, releases, stopping, states)
