"""Migrations at start, in code: Alembic's scripts travel inside the service's package.

Several processes may start at once: PostgreSQL's advisory lock, or SQLite's write lock, lets one go first.
"""

import asyncio
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql.database import Database, SqlUnavailable

LOCK_NUMBER: Final = 0x6D61696C77656972  # "mailweir"
VERSION_TABLE: Final = "alembic_version"
PAUSE_SECONDS: Final = 1.0
"""Pause between tries to reach the database at the start."""

_log = get_logger(__name__)


async def migrate(
    database: Database, scripts: Path, *, to: str = "head", patience_seconds: float = 0.0
) -> None:
    """Bring the schema to a revision; nothing is changed where one step fails.

    `scripts` is the directory with `env.py`, which reads `connection` from the config's attributes.
    A server that does not answer is tried again for `patience_seconds`: where everything starts at once it
    may be the last. A file is there or it is not. Raises SqlUnavailable.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (0.0 if database.is_sqlite else patience_seconds)
    while True:
        try:
            return await _migrate_once(database, scripts, to)
        except SqlUnavailable as error:
            if loop.time() + PAUSE_SECONDS > deadline:
                raise
            _log.info("database_not_reached", detail=str(error))
        await asyncio.sleep(PAUSE_SECONDS)


async def _migrate_once(database: Database, scripts: Path, to: str) -> None:
    async with database.writing() as connection:
        if not database.is_sqlite:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"))
            await connection.run_sync(_make_schema, database.schema)
        await connection.run_sync(_upgrade, scripts, to)


def _make_schema(connection: Connection, schema: str) -> None:
    # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
    there = connection.execute(
        text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema}
    ).first()
    if there is None:
        connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')


def _upgrade(connection: Connection, scripts: Path, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
