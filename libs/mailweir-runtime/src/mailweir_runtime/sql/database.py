"""One engine for SQLite and PostgreSQL: what differs between the two ends here.

SQLite runs in WAL mode with `synchronous=FULL`. FULL and not NORMAL: a consumer acknowledges to the stream
after its commit, and from then on the stream may forget the message, so a commit must outlive a power cut.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mailweir_runtime.sql.sqlite import Connector

BUSY_SECONDS: Final = 5.0
"""How long a statement waits for another process's lock on a SQLite file."""
CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30.0
POOL_SIZE: Final = 5
_WRITE: Final = "mailweir_write"
WAL_PAUSE_SECONDS: Final = 0.05
"""Pause between tries to bring a new SQLite file into WAL mode while others do the same."""
_PRAGMAS: Final = (
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16384",  # KiB
)


class SqlError(Exception):
    """Base of what a database raises; the text is for the log, it may name tables but no values."""


class SqlUnavailable(SqlError):
    """Raised when the database is down, locked or too slow; the same statement may succeed later."""


class SqlRefused(SqlError):
    """Raised when the database refuses a value; the same statement will fail again."""


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn every error of the engine and its drivers into SqlUnavailable or SqlRefused."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise SqlRefused(_sentence(error)) from error
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise SqlUnavailable(_sentence(error)) from error


def _sentence(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return f"{type(cause).__name__}: {str(cause).partition(chr(10))[0][:200]}"


class Database:
    """Connections to one schema; every block is one transaction."""

    def __init__(self, engine: AsyncEngine, schema: str) -> None:
        """Take an engine of `open_database` and the name of the schema that the service owns."""
        self._engine = engine
        self.schema = schema
        # SQLite has one writer at a time: waiting here is fair and wakes at once, its busy wait is neither.
        self._writer = asyncio.Lock() if self.is_sqlite else nullcontext()

    @property
    def is_sqlite(self) -> bool:
        """Say whether this is SQLite."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads; raises SqlUnavailable."""
        with mapped_errors():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is committed at the end; raises SqlUnavailable, SqlRefused."""
        with mapped_errors():
            async with self._writer, self._engine.connect() as connection:
                await connection.execution_options(**{_WRITE: True})
                async with connection.begin():
                    yield connection

    async def aclose(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


@asynccontextmanager
async def open_database(url: str, *, schema: str) -> AsyncIterator[Database]:
    """Open a database by its URL (see DatabaseUrl); connects at the first use.

    `schema` is the PostgreSQL schema that all unqualified names live in; SQLite has a file instead.
    """
    sqlite = url.startswith("sqlite")
    connector = Connector()
    options: dict[str, Any] = {"connect_args": _connect_args(sqlite, schema, connector)}
    if not sqlite:
        options |= {"pool_size": POOL_SIZE, "pool_timeout": CONNECT_SECONDS, "pool_pre_ping": True}
    engine = create_async_engine(url, **options)
    if sqlite:
        event.listen(engine.sync_engine, "connect", _on_sqlite_connect)
        event.listen(engine.sync_engine, "begin", _on_sqlite_begin)
    database = Database(engine, schema)
    try:
        yield database
    finally:
        await database.aclose()
        await connector.aclose()


def _connect_args(sqlite: bool, schema: str, connector: Connector) -> dict[str, Any]:
    if sqlite:
        return {"timeout": BUSY_SECONDS, "async_creator_fn": connector.connect}
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": STATEMENT_SECONDS,
        "server_settings": {"search_path": schema, "application_name": schema},
    }


def _on_sqlite_connect(connection: Any, _record: object) -> None:
    # The driver's own idea of when to BEGIN is switched off: `_on_sqlite_begin` says it.
    connection.isolation_level = None
    _enter_wal(connection)
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _enter_wal(connection: Any) -> None:
    # Where several open a new file at once SQLite says "locked" here without waiting its busy time.
    tries = round(BUSY_SECONDS / WAL_PAUSE_SECONDS)
    for left in range(tries, -1, -1):
        cursor = connection.cursor()
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if not left:
                raise
        finally:
            cursor.close()
        connection.run_async(lambda _: asyncio.sleep(WAL_PAUSE_SECONDS))


def _on_sqlite_begin(connection: Connection) -> None:
    # A write transaction takes the lock at once: a read lock that is raised later cannot wait its turn.
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
