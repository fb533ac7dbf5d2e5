"""A database that is locked or away under running consumers; and lists that do not slow down with size."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from mailweir_core.decision import State
from mailweir_quarantine.adapters.events import record_from
from mailweir_quarantine.adapters.sql import MIGRATIONS, SCHEMA, SqlRecords
from mailweir_quarantine.app import consume
from mailweir_quarantine.consumers import Desk
from mailweir_quarantine.policy.search import Filter, checked
from mailweir_quarantine.values import Record
from mailweir_runtime.bus.topology import (
    PARKED,
    RECORDER,
    hold_subject,
    judged_subject,
    progress_subject,
)
from mailweir_runtime.sql import Database, SqlUnavailable, migrate, open_database
from mailweir_testkit.events import NOW, envelope, held_mail, judged, progress, ref_of

World = Any  # tests/conftest.py
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest_asyncio.fixture
async def impatient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Database, Database]]:
    """The service's database, and somebody else's way into the same file; both wait for locks but briefly."""
    pragmas = ("PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=20", "PRAGMA foreign_keys=ON")
    monkeypatch.setattr("mailweir_runtime.sql.database._PRAGMAS", pragmas)
    monkeypatch.setattr("mailweir_runtime.sql.database.BUSY_SECONDS", 0.02)
    url = f"sqlite+aiosqlite:///{tmp_path}/quarantine.db"
    async with (
        open_database(url, schema=SCHEMA) as ours,
        open_database(url, schema=SCHEMA) as other,
    ):
        await migrate(ours, MIGRATIONS)
        yield ours, other


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.005)


async def fill(world: World, count: int) -> None:
    for n in range(count):
        ref = ref_of(n)
        held = n % 2 == 0
        event = judged(ref, action="hold" if held else "accept")
        await world.bus.publish(judged_subject("s0", ref), event.SerializeToString())
        if held:
            await world.bus.publish(hold_subject("s0", ref), held_mail(ref).SerializeToString())
        else:
            done = progress(ref).SerializeToString()
            await world.bus.publish(progress_subject("s0", ref), done)


async def settled(world: World, store: SqlRecords, states: dict[str, int]) -> None:
    async with asyncio.timeout(60):
        while (await store.counts()).by_state != states:
            await asyncio.sleep(0.01)


async def test_a_locked_database_loses_nothing(
    world: World, impatient: tuple[Database, Database]
) -> None:
    ours, other = impatient
    store = SqlRecords(ours)
    desk = Desk(store, world.desk.patience, world.metrics, world.clock)
    await fill(world, 40)
    async with asyncio.TaskGroup() as tasks:
        async with other.writing() as connection:  # a backup tool, say
            await connection.execute(text("DELETE FROM outbox"))
            tasks.create_task(consume(desk, world.bus, world.stopping))
            operations = ("record", "hold", "track")
            await until(
                lambda: all(world.value("sql_errors_total", operation=o) for o in operations)
            )
            assert (await store.search(Filter())).items == ()  # readers go on
        await settled(world, store, {"held": 20, "delivered": 20})
        world.stopping.set()
    assert world.bus.stored(PARKED) == []
    assert any(state.startswith("degraded database") for state in world.states)
    assert world.states[-1] == "recovered database"


async def test_stopped_while_locked_another_process_goes_on(
    world: World, impatient: tuple[Database, Database]
) -> None:
    ours, other = impatient
    store = SqlRecords(ours)
    desk = Desk(store, world.desk.patience, world.metrics, world.clock)
    await fill(world, 40)
    async with other.writing() as connection:
        await connection.execute(text("DELETE FROM outbox"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(consume(desk, world.bus, world.stopping))
            await until(lambda: bool(world.value("sql_errors_total", operation="record")))
            world.stopping.set()
    world.stopping.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consume(desk, world.bus, world.stopping))
        await settled(world, store, {"held": 20, "delivered": 20})
        world.stopping.set()
    assert world.bus.stored(PARKED) == []
    assert await (await world.bus.consumer(RECORDER)).lag() == 0


async def test_a_database_that_went_away_comes_back(
    world: World, postgres: Any, tmp_path: Path
) -> None:
    with postgres.database() as url:
        async with open_database(url, schema=SCHEMA) as database:
            await migrate(database, MIGRATIONS)
            store = SqlRecords(database)
            assert await store.record([record_at(1)]) == 1
            async with (
                open_database(url, schema="public") as admin,
                admin.reading() as connection,
            ):
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                )
            for attempt in range(5):
                try:
                    assert await store.record([record_at(2)]) == 1
                    break
                except SqlUnavailable:
                    assert attempt < 4
            assert await store.record([record_at(2)]) == 0


def record_at(number: int) -> Record:
    at = NOW + number
    action = ("accept", "reject", "hold")[number % 3]
    of = envelope(ref_of(number, at), received_at=at, sender=f"user{number % 97}@example.net")
    event = judged(ref_of(number, at), action=action, reason="clean", of=of)
    return record_from(event.SerializeToString())


async def quickest(work: Callable[[], Any], times: int = 15) -> float:
    """Return the least time of several runs: what the work costs when nobody else is in the way."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        found.append(time.perf_counter() - began)
    return min(found)


@pytest.mark.long  # a ratio of times needs a machine that does nothing else
async def test_a_list_of_many_is_as_quick_as_one_of_few(database: Database) -> None:
    store = SqlRecords(database)

    async def measure(total: int) -> dict[str, float]:
        middle = await store.search(Filter(until=NOW + total / 2))
        asked = {
            "first page": Filter(),
            "a page in the middle": checked(cursor=middle.next),
            "held": Filter(state=State.HELD),
            "between two times": Filter(since=NOW + total / 3, until=NOW + total / 2),
        }
        return {name: await quickest(lambda f=f: store.search(f)) for name, f in asked.items()}  # type: ignore[misc]

    await store.record([record_at(n) for n in range(300)])
    few = await measure(300)
    for start in range(300, 15_000, 490):
        await store.record([record_at(n) for n in range(start, start + 490)])
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))  # PostgreSQL does so by itself, in its own time
    many = await measure(15_000)
    slower = {name: many[name] / few[name] for name in few}
    assert max(slower.values()) <= 3, slower
