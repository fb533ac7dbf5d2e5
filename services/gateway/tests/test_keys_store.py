"""The contract of the table of keys, on every adapter; and its schema."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from mailweir_gateway.adapters.keys_memory import MemoryKeys
from mailweir_gateway.adapters.sql import MIGRATIONS, SCHEMA, SqlKeys
from mailweir_gateway.adapters.sql.tables import METADATA
from mailweir_gateway.policy.keys import digest
from mailweir_gateway.ports import Keys, StoredKey
from mailweir_runtime.sql import Database, SqlRefused, SqlUnavailable, migrate, open_database
from mailweir_testkit.postgres import PostgresServer

ONE, OTHER = digest("one"), digest("other")
SQL = [pytest.param(kind, marks=pytest.mark.integration) for kind in ("sqlite", "postgres")]


@pytest_asyncio.fixture(params=["memory", *SQL])
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
        async with open_database(url, schema=SCHEMA) as opened:
            await migrate(opened, MIGRATIONS)
            yield SqlKeys(opened)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        async with open_database(url, schema=SCHEMA) as opened:
            await migrate(opened, MIGRATIONS)
            yield SqlKeys(opened)


async def test_a_key_is_found_by_digest_and_by_name(keys: Keys) -> None:
    key = StoredKey("admin", ONE, 1_750_000_000.5)
    await keys.put(key)
    assert await keys.by_digest(ONE) == key
    assert await keys.by_name("admin") == key


async def test_nothing_is_found_of_what_is_not_there(keys: Keys) -> None:
    await keys.put(StoredKey("admin", ONE, 1.0))
    assert await keys.by_digest(OTHER) is None
    assert await keys.by_digest(ONE.upper()) is None
    assert await keys.by_digest("") is None
    assert await keys.by_digest("%") is None
    assert await keys.by_name("Admin") is None


async def test_a_name_has_one_key(keys: Keys) -> None:
    await keys.put(StoredKey("admin", ONE, 1.0))
    await keys.put(StoredKey("admin", OTHER, 2.0))
    await keys.put(StoredKey("admin", OTHER, 2.0))
    assert await keys.by_digest(ONE) is None
    assert await keys.by_name("admin") == StoredKey("admin", OTHER, 2.0)


async def test_a_key_has_one_name(keys: Keys) -> None:
    await keys.put(StoredKey("admin", ONE, 1.0))
    with pytest.raises(SqlRefused):
        await keys.put(StoredKey("second", ONE, 1.0))
    assert await keys.by_name("second") is None


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), METADATA))


async def test_migrations_make_what_the_tables_say(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(_differences) == []


@pytest.mark.integration
async def test_both_services_may_share_a_database(postgres: PostgresServer) -> None:
    """Each owns a schema: what one is called in it is no other's affair."""
    with postgres.database() as url:
        for schema in (SCHEMA, "mailweir_quarantine"):
            async with open_database(url, schema=schema) as opened:
                await migrate(opened, MIGRATIONS)
                await SqlKeys(opened).put(StoredKey("admin", digest(schema), 1.0))
        async with open_database(url, schema=SCHEMA) as opened:
            assert await SqlKeys(opened).by_digest(digest("mailweir_quarantine")) is None
            assert await SqlKeys(opened).by_digest(digest(SCHEMA)) is not None


@pytest.mark.integration
async def test_a_locked_database_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_runtime.sql.database.BUSY_SECONDS", 0.1)
    monkeypatch.setattr(
        "mailweir_runtime.sql.database._PRAGMAS",
        ("PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=100"),
    )
    url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    async with open_database(url, schema=SCHEMA) as one, open_database(url, schema=SCHEMA) as other:
        await migrate(one, MIGRATIONS)
        async with one.writing() as connection:
            await connection.execute(text("DELETE FROM api_keys"))
            with pytest.raises(SqlUnavailable, match="locked"):
                await SqlKeys(other).put(StoredKey("admin", ONE, 1.0))
            assert await SqlKeys(other).by_digest(ONE) is None  # readers go on
        async with asyncio.timeout(5):
            await SqlKeys(other).put(StoredKey("admin", ONE, 1.0))
