"""The schema: what the migrations make is what the tables say, on each database, from several processes."""

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, text

from mailweir_quarantine.adapters.sql import MIGRATIONS, SCHEMA
from mailweir_quarantine.adapters.sql.tables import METADATA, messages
from mailweir_runtime.sql import Database, migrate, open_database

pytestmark = pytest.mark.integration
MESSAGE = {
    "ref": "x", "received_at": 1.0, "kind": 1, "recorded": True, "client_ip": "", "helo": "",
    "sender": "", "sender_key": "", "subject": "", "subject_key": "", "bytes": 0, "score": 0.0,
    "action": "accept", "reason": "clean", "state": "queued", "releases": 0, "has_body": False,
    "was_held": False,
}  # fmt: skip


def differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


async def test_migrations_make_what_the_tables_say(database: Database) -> None:
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_missing_column_would_be_seen(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE messages DROP COLUMN subject_key"))
        assert await connection.run_sync(differences) != []


async def test_several_processes_may_start_at_once(database_url: str) -> None:
    async def start() -> None:
        async with open_database(database_url, schema=SCHEMA) as database:
            await migrate(database, MIGRATIONS)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(start())


async def test_migrating_again_changes_nothing(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(insert(messages), MESSAGE)
    await migrate(database, MIGRATIONS)
    async with database.reading() as connection:
        assert (await connection.scalars(text("SELECT ref FROM messages"))).all() == ["x"]


async def test_the_way_back_leaves_nothing(database: Database) -> None:
    def down(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    async with database.writing() as connection:
        await connection.run_sync(down)
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
    assert tables == ["alembic_version"]
