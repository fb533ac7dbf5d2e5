"""The record store on each of its adapters."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from mailweir_core.clock import ManualClock
from mailweir_quarantine.adapters.memory import MemoryRecords
from mailweir_quarantine.adapters.sql import MIGRATIONS, SCHEMA, SqlRecords
from mailweir_quarantine.ports import RecordStore
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
