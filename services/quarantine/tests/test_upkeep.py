"""The timers: retention in bounded batches, gauges, and going on after an outage."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailweir_core.decision import State
from mailweir_policy import Policy, QuarantinePolicy
from mailweir_quarantine import upkeep as module
from mailweir_quarantine.adapters.events import mail_from, record_from
from mailweir_quarantine.policy.retention import BODY_GRACE_SECONDS, DAY, cutoffs
from mailweir_quarantine.policy.search import Filter
from mailweir_quarantine.upkeep import Upkeep
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import static_config
from mailweir_runtime.sql import SqlUnavailable
from mailweir_testkit.events import NOW, envelope, held_mail, judged, ref_of

World = Any  # tests/conftest.py


def upkeep_of(world: World, *, keep: int = 30, records: int = 90) -> Upkeep:
    policy = Policy(quarantine=QuarantinePolicy(keep_days=keep, keep_records_days=records))
    config = static_config(policy)
    return Upkeep(world.store, world.releases, config, world.metrics, world.clock)


async def hold(world: World, number: int, at: float) -> str:
    ref = ref_of(number, at)
    mail = mail_from(held_mail(ref, b"x", envelope(ref, received_at=at)).SerializeToString())
    body = await world.bus.bodies.put(f"held/{ref}", b"x")
    await world.store.hold([mail.held(body, "s0")], NOW)
    return ref


async def record(world: World, number: int, at: float) -> str:
    ref = ref_of(number, at)
    event = judged(ref, of=envelope(ref, received_at=at))
    await world.store.record([record_from(event.SerializeToString())])
    return ref


async def state_of(world: World, ref: str) -> State | None:
    found = await world.store.get(ref)
    return None if found is None else found.summary.state


def test_the_cutoffs_are_the_policys() -> None:
    cut = cutoffs(QuarantinePolicy(keep_days=7, keep_records_days=10), NOW)
    assert (NOW - cut.held, NOW - cut.records) == (7 * DAY, 10 * DAY)
    assert NOW - cut.bodies == BODY_GRACE_SECONDS


async def test_held_mail_expires_and_its_body_goes_after_the_grace(world: World) -> None:
    old = await hold(world, 1, NOW - 31 * DAY)
    young = await hold(world, 2, NOW - 29 * DAY)
    upkeep = upkeep_of(world)
    await upkeep.retention()
    assert await state_of(world, old) is State.DELETED
    assert await state_of(world, young) is State.HELD
    assert world.value("expired_total", what="held") == 1
    world.clock.advance(BODY_GRACE_SECONDS + 1)
    await upkeep.retention()
    assert await world.bus.bodies.keys() == [f"held/{young}"]
    assert world.value("bodies_removed_total") == 1


async def test_records_go_by_their_own_age(world: World) -> None:
    old = await record(world, 1, NOW - 91 * DAY)
    young = await record(world, 2, NOW - 89 * DAY)
    held = await hold(world, 3, NOW - 200 * DAY)
    await upkeep_of(world, keep=3650).retention()
    assert await state_of(world, old) is None
    assert await state_of(world, young) is State.QUEUED
    assert await state_of(world, held) is State.HELD
    assert world.value("expired_total", what="record") == 1


async def test_batches_are_bounded_and_all_of_them_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    asked: list[int] = []
    real = world.store.purge

    async def purge(before: float, most: int, now: float) -> int:
        asked.append(most)
        return int(await real(before, most, now))

    monkeypatch.setattr(world.store, "purge", purge)
    for n in range(10):
        await record(world, n, NOW - 100 * DAY)
        await hold(world, 50 + n, NOW - 40 * DAY)
    await upkeep_of(world).retention()
    assert asked == [4, 4, 4]
    assert world.value("expired_total", what="record") == 10
    assert world.value("expired_total", what="held") == 10
    assert len((await world.store.search(Filter(state=State.HELD))).items) == 0


async def test_one_run_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "ROUNDS", 3)
    for n in range(9):
        await record(world, n, NOW - 100 * DAY)
    upkeep = upkeep_of(world)
    await upkeep.retention()
    assert world.value("expired_total", what="record") == 3
    await upkeep.retention()
    assert world.value("expired_total", what="record") == 6


async def run_until(work: Callable[[], Awaitable[None]], done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())  # type: ignore[arg-type]
        while not done():
            await asyncio.sleep(0.002)
        task.cancel()


async def test_the_outbox_is_worked_off_from_the_start_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTBOX_SECONDS", 0.005)
    ref = await hold(world, 1, NOW)
    await hold(world, 2, NOW)
    world.bus.outage = BusUnavailable("away")
    await world.releases.release([ref], "test")
    upkeep = upkeep_of(world)

    def back_after_a_while() -> bool:
        world.bus.outage = None
        return bool(world.value("releases_handed_over_total") == 1)

    await run_until(upkeep.work_off_outbox, back_after_a_while)
    await run_until(upkeep.work_off_outbox, lambda: world.value("held_messages") == 1)
    assert world.value("outbox_messages") == 0


async def test_an_outage_puts_upkeep_off_and_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETENTION_SECONDS", 0.005)
    old = await hold(world, 1, NOW - 31 * DAY)
    world.store.outage = SqlUnavailable("locked")
    upkeep = upkeep_of(world)
    failures = lambda: world.value("sql_errors_total", operation="retention")  # noqa: E731
    await run_until(upkeep.keep_retention, lambda: failures() >= 2)
    world.store.outage = None
    await run_until(upkeep.keep_retention, lambda: world.value("expired_total", what="held") == 1)
    assert await state_of(world, old) is State.DELETED


async def test_a_fault_of_ours_is_not_hidden(world: World) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise KeyError(name)

    upkeep = Upkeep(
        Broken(),
        world.releases,
        static_config(),
        world.metrics,
        world.clock,  # type: ignore[arg-type]
    )
    with pytest.raises(KeyError):
        async with asyncio.timeout(5):
            await upkeep.keep_retention()
