"""The engine for SQLite and PostgreSQL: transactions, locks, errors, migrations."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mailweir_runtime.sql import (
    Database,
    DatabaseUrl,
    SqlRefused,
    SqlUnavailable,
    migrate,
    open_database,
)
from mailweir_runtime.sql.database import mapped_errors
from mailweir_testkit.postgres import PostgresServer, PostgresUnavailable, postgres_server

SCHEMA = "mailweir_test"
MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{revision}", {after}, None, None
def upgrade():
    {body}
def downgrade():
    pass
"""
ENVIRONMENT = """
from alembic import context
context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
"""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.integration) for kind in ("sqlite", "postgres")]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/test.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as made:
        yield made


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Migrations that make a table `things` of unique names."""
    directory = tmp_path / "a 100% odd place"
    (directory / "versions").mkdir(parents=True)
    (directory / "env.py").write_text(ENVIRONMENT)
    columns = 'sa.Column("name", sa.String(10), primary_key=True)'
    add(directory, "1", "None", f'op.create_table("things", {columns})')
    return directory


def add(scripts: Path, revision: str, after: str, body: str) -> None:
    script = MIGRATION.format(revision=revision, after=after, body=body)
    (scripts / "versions" / f"{revision}.py").write_text(script)


@pytest_asyncio.fixture
async def database(url: str, scripts: Path) -> AsyncIterator[Database]:
    async with open_database(url, schema=SCHEMA) as opened:
        await migrate(opened, scripts)
        yield opened


async def names(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list(await connection.scalars(text("SELECT name FROM things ORDER BY name")))


async def put(database: Database, name: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text("INSERT INTO things VALUES (:name)"), {"name": name})


# --- transactions ----------------------------------------------------------------------------------------


async def test_a_block_is_one_transaction(database: Database) -> None:
    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO things VALUES ('b')"))
            raise RuntimeError("on the way")

    await put(database, "a")
    with pytest.raises(RuntimeError, match="on the way"):
        await fail()
    assert await names(database) == ["a"]


async def test_a_reader_sees_what_was_committed(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("INSERT INTO things VALUES ('a')"))
        assert await names(database) == []
    assert await names(database) == ["a"]


async def test_a_cancelled_block_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO things VALUES ('a')"))
            begun.set()
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hang())
        await begun.wait()
        task.cancel()
    async with asyncio.timeout(5):
        await put(database, "b")
    assert await names(database) == ["b"]


async def test_writers_take_turns(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        for n in range(40):
            tasks.create_task(put(database, f"n{n:02}"))
    assert len(await names(database)) == 40


async def test_two_processes_write_one_file(url: str, database: Database) -> None:
    async with open_database(url, schema=SCHEMA) as other, asyncio.TaskGroup() as tasks:
        for n in range(20):
            tasks.create_task(put(database, f"a{n}"))
            tasks.create_task(put(other, f"b{n}"))
    assert len(await names(database)) == 40


@pytest.mark.integration
async def test_no_thread_outlives_a_database(tmp_path: Path) -> None:
    """A thread that answers after its event loop has closed raises into nowhere."""
    before = set(threading.enumerate())

    async def hang(database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(text("SELECT 1"))
            await asyncio.sleep(60)

    for path in ("no/such/place/test.db", "test.db"):
        async with open_database(f"sqlite+aiosqlite:///{tmp_path}/{path}", schema=SCHEMA) as opened:
            tasks = [asyncio.ensure_future(hang(opened)) for _ in range(8)]
            await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            outcomes = [task.cancelled() or task.exception() for task in tasks]
            assert all(outcomes)
        left = [t for t in set(threading.enumerate()) - before if "connection_worker" in t.name]
        for thread in left:  # it has answered; it may still be on its last lines
            thread.join(1.0)
        assert not [t for t in left if t.is_alive()]


# --- errors ----------------------------------------------------------------------------------------------


async def test_a_value_that_is_refused(database: Database) -> None:
    await put(database, "a")
    with pytest.raises(SqlRefused):
        await put(database, "a")
    await put(database, "b")


async def test_a_statement_that_fails_is_no_refusal(database: Database) -> None:
    with pytest.raises(SqlUnavailable):
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO nowhere VALUES (1)"))


@pytest.mark.integration
async def test_a_locked_file_is_unavailable_in_time(
    tmp_path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_runtime.sql.database._PRAGMAS", ("PRAGMA busy_timeout=50",))
    monkeypatch.setattr("mailweir_runtime.sql.database.BUSY_SECONDS", 0.05)
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    async with open_database(url, schema=SCHEMA) as one, open_database(url, schema=SCHEMA) as other:
        await migrate(one, scripts)
        async with one.writing():
            with pytest.raises(SqlUnavailable, match="locked"):
                await put(other, "a")
        await put(other, "a")


@pytest.mark.integration
@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:////no/such/place/test.db",
        "postgresql+asyncpg://nobody@/test?host=/no/such/place",
    ],
)
async def test_what_cannot_be_reached_is_unavailable(url: str) -> None:
    async with open_database(url, schema=SCHEMA) as database:
        with pytest.raises(SqlUnavailable):
            async with database.reading() as connection:
                await connection.execute(text("SELECT 1"))


@pytest.mark.integration
async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path, scripts: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"not a database" * 100)
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/test.db", schema=SCHEMA) as database:
        with pytest.raises(SqlUnavailable, match="not a database"):
            await migrate(database, scripts)


async def create_database(admin: str, name: str) -> None:
    """Make a database: outside of a transaction, as PostgreSQL will have it."""
    async with open_database(admin, schema="public") as database, database.reading() as connection:
        await connection.rollback()
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.execute(f"CREATE DATABASE {name}")


@pytest.mark.integration
async def test_a_server_that_comes_late_is_waited_for(
    postgres: PostgresServer, scripts: Path
) -> None:
    late = "late_database"
    with postgres.database() as url:
        async with (
            open_database(postgres.url(late), schema=SCHEMA) as database,
            asyncio.TaskGroup() as tasks,
        ):
            with pytest.raises(SqlUnavailable):
                await migrate(database, scripts, patience_seconds=0.1)
            tasks.create_task(migrate(database, scripts, patience_seconds=20))
            await asyncio.sleep(0.1)
            await create_database(url, late)
        async with open_database(postgres.url(late), schema=SCHEMA) as database:
            await put(database, "a")


@pytest.mark.parametrize(
    "error", [OSError("gone"), TimeoutError("late"), SQLAlchemyError("first line\nsecond line")]
)
def test_an_error_is_one_line(error: Exception) -> None:
    with pytest.raises(SqlUnavailable) as failure, mapped_errors():
        raise error
    assert "\n" not in str(failure.value)
    assert failure.value.__cause__ is error


def test_what_is_no_error_of_a_database_goes_through() -> None:
    with pytest.raises(KeyError), mapped_errors():
        raise KeyError("ours")


# --- what must outlive a power cut -----------------------------------------------------------------------


@pytest.mark.integration
async def test_sqlite_keeps_every_commit(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/t.db"
    async with (
        open_database(url, schema=SCHEMA) as database,
        database.reading() as connection,
    ):
        asked = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


# --- migrations ------------------------------------------------------------------------------------------


async def test_migrating_twice_changes_nothing(database: Database, scripts: Path) -> None:
    await put(database, "a")
    await migrate(database, scripts)
    assert await names(database) == ["a"]


async def test_a_step_that_fails_leaves_the_schema_as_it_was(
    database: Database, scripts: Path
) -> None:
    await put(database, "a")
    add(scripts, "2", '"1"', 'op.add_column("things", sa.Column("size", sa.Integer))')
    add(scripts, "3", '"2"', 'op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(SqlUnavailable):
        await migrate(database, scripts)
    async with database.reading() as connection:
        assert (
            await connection.scalars(text("SELECT version_num FROM alembic_version"))
        ).all() == ["1"]
        row = (await connection.execute(text("SELECT * FROM things"))).one()
    assert tuple(row) == ("a",)


async def test_to_a_named_revision(database: Database, scripts: Path) -> None:
    add(scripts, "2", '"1"', 'op.add_column("things", sa.Column("size", sa.Integer))')
    add(scripts, "3", '"2"', 'op.execute("INSERT INTO nowhere VALUES (1)")')
    await migrate(database, scripts, to="2")
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT size FROM things"))).all() == []


async def test_many_start_at_once(url: str, scripts: Path) -> None:
    async def start() -> None:
        async with open_database(url, schema=SCHEMA) as database:
            await migrate(database, scripts)
            await names(database)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(start())


@pytest.mark.integration
async def test_a_schema_that_is_there_needs_no_right_to_make_one(
    postgres: PostgresServer, scripts: Path
) -> None:
    with postgres.database() as url:
        async with (
            open_database(url, schema="public") as database,
            database.writing() as connection,
        ):
            await connection.execute(text(f'CREATE SCHEMA "{SCHEMA}"'))
            await connection.execute(text("CREATE ROLE plain LOGIN"))
            await connection.execute(text(f'GRANT ALL ON SCHEMA "{SCHEMA}" TO plain'))
        plain = url.replace(f"//{postgres.user}@", "//plain@")
        async with open_database(plain, schema=SCHEMA) as database:
            await migrate(database, scripts)
            await put(database, "a")
        async with (
            open_database(url, schema="public") as database,
            database.writing() as connection,
        ):
            await connection.execute(text("DROP OWNED BY plain"))
            await connection.execute(text("DROP ROLE plain"))


# --- the URL ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:///relative.db",
        "sqlite+aiosqlite:////absolute.db",
        "postgresql+asyncpg://user:password@host:5432/mailweir",
        "postgresql+asyncpg://user@/mailweir?host=/run/postgresql",
    ],
)
def test_urls(url: str) -> None:
    assert TypeAdapter(DatabaseUrl).validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "nonsense", "sqlite:///x.db", "postgresql://user:secret@host/db", "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:", "postgresql+asyncpg://user:secret@host", "mysql://root:secret@h/d",
    ],
)  # fmt: skip
def test_what_is_no_url_and_its_password_is_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as failure:
        TypeAdapter(DatabaseUrl).validate_python(url)
    messages = [error["msg"] for error in failure.value.errors()]
    assert all("secret" not in message for message in messages)
