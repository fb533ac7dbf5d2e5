"""The streams' ends: what is written, what is parked, what an outage of the database does."""

import asyncio
from typing import Any

import pytest

from mailweir_core.decision import State
from mailweir_quarantine.consumers import Holder, Recorder, Tracker
from mailweir_quarantine.policy.state import Command
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.pull import pull_batches
from mailweir_runtime.bus.topology import (
    HOLDER,
    JUDGED,
    MAIL,
    PARKED,
    RECORDER,
    TRACKER,
    deliver_subject,
    hold_subject,
    judged_subject,
    progress_subject,
)
from mailweir_runtime.sql import SqlRefused, SqlUnavailable
from mailweir_testkit.events import (
    NOW,
    held_elsewhere,
    held_mail,
    judged,
    progress,
    ref_of,
)

World = Any  # tests/conftest.py


async def say_judged(world: World, *numbers: int, action: str = "accept") -> None:
    for number in numbers:
        payload = judged(ref_of(number), action=action).SerializeToString()
        await world.bus.publish(judged_subject("s0", ref_of(number)), payload)


async def say_held(world: World, number: int, content: bytes = b"the body") -> str:
    ref = ref_of(number)
    await world.bus.publish(hold_subject("s7", ref), held_mail(ref, content).SerializeToString())
    return ref


# --- recorder --------------------------------------------------------------------------------------------


async def test_records_are_written_and_counted(world: World) -> None:
    world.clock.advance(2.05)
    await say_judged(world, 1, 2)
    messages = await world.fetch(RECORDER)
    await Recorder(world.desk)(messages)
    assert await world.store.get(ref_of(2)) is not None
    assert world.value("records_written_total") == 2
    assert world.value("record_lag_seconds_count") == 2
    assert world.value("record_lag_seconds_sum") == pytest.approx(4.0)
    assert not any(message.settled for message in messages)  # the pull loop acks


async def test_a_record_that_comes_again_is_not_counted_again(world: World) -> None:
    await say_judged(world, 1, 1)
    await Recorder(world.desk)(await world.fetch(RECORDER))
    assert world.value("records_written_total") == 1


@pytest.mark.parametrize(
    ("spec", "subject", "name"),
    [
        (RECORDER, judged_subject("s0", "x"), "recorder"),
        (TRACKER, progress_subject("s0", "x"), "tracker"),
        (HOLDER, hold_subject("s0", "x"), "holder"),
    ],
)
async def test_what_cannot_be_read_is_parked(
    world: World, spec: Any, subject: str, name: str
) -> None:
    await world.bus.publish(subject, b"\xff\xff\xff")
    await world.bus.publish(f"{subject}2", b"")
    handlers = {
        "recorder": Recorder(world.desk),
        "tracker": Tracker(world.desk),
        "holder": Holder(world.desk, world.bus.bodies),
    }
    messages = await world.fetch(spec)
    await handlers[name](messages)
    assert all(message.settled for message in messages)
    assert len(world.bus.stored(PARKED)) == 2
    assert world.value("unusable_messages_total", consumer=name) == 2


async def test_one_unreadable_message_does_not_hold_up_its_batch(world: World) -> None:
    await say_judged(world, 1)
    await world.bus.publish(judged_subject("s0", "x"), b"\xff\xff")
    await say_judged(world, 2)
    await Recorder(world.desk)(await world.fetch(RECORDER))
    assert world.value("records_written_total") == 2


async def test_a_value_that_the_database_refuses_is_parked_alone(world: World) -> None:
    await say_judged(world, 1, 2, 3)

    class Picky:
        def __getattr__(self, name: str) -> object:
            return getattr(world.store, name)

        async def record(self, records: Any) -> int:
            if any(record.facts.ref == ref_of(2) for record in records):
                raise SqlRefused("value too long")
            return int(await world.store.record(records))

    desk = type(world.desk)(Picky(), world.desk.patience, world.metrics, world.clock)
    await run_until(world, RECORDER, Recorder(desk), lambda: len(world.bus.stored(PARKED)) == 1)
    assert world.value("unusable_messages_total", consumer="recorder") == 1
    assert await world.store.get(ref_of(1)) is not None
    assert await world.store.get(ref_of(2)) is None
    assert await world.store.get(ref_of(3)) is not None


async def run_until(world: World, spec: Any, handler: Any, done: Any) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(pull_batches(world.bus, spec, handler, most=100, stopping=world.stopping))
        while not done():
            await asyncio.sleep(0.005)
        world.stopping.set()


# --- an outage of the database ---------------------------------------------------------------------------


async def test_an_outage_is_waited_for_and_counted(world: World) -> None:
    await say_judged(world, *range(5))
    world.store.outage = SqlUnavailable("locked")

    def away_and_back() -> bool:
        if world.value("sql_errors_total", operation="record") == 3:
            world.store.outage = None
        return bool(world.value("records_written_total") == 5)

    await run_until(world, RECORDER, Recorder(world.desk), away_and_back)
    assert world.value("sql_errors_total", operation="record") == 3
    assert world.bus.stored(PARKED) == []
    assert world.states[0] == "degraded database: the database does not answer: locked"
    assert world.states[-1] == "recovered database"
    consumer = await world.bus.consumer(RECORDER)
    assert await consumer.lag() == 0


async def test_stopping_in_an_outage_gives_everything_back(world: World) -> None:
    await say_judged(world, *range(5))
    world.store.outage = SqlUnavailable("down")
    down = lambda: world.value("sql_errors_total", operation="record") >= 1  # noqa: E731
    await run_until(world, RECORDER, Recorder(world.desk), down)
    world.store.outage = None
    world.stopping.clear()
    again = await world.fetch(RECORDER)
    assert [message.attempt for message in again] == [2] * 5
    assert world.bus.stored(PARKED) == []
    assert len(world.bus.stored(JUDGED)) == 5


async def test_tracker_and_holder_wait_too(world: World) -> None:
    ref = await say_held(world, 1)
    await world.bus.publish(
        progress_subject("s0", ref_of(2)), progress(ref_of(2)).SerializeToString()
    )
    world.store.outage = SqlUnavailable("down")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        holder = Holder(world.desk, world.bus.bodies)
        for spec, handler in ((HOLDER, holder), (TRACKER, Tracker(world.desk))):
            tasks.create_task(
                pull_batches(world.bus, spec, handler, most=9, stopping=world.stopping)
            )
        while not all(world.value("sql_errors_total", operation=o) for o in ("hold", "track")):
            await asyncio.sleep(0.005)
        world.store.outage = None
        while await world.store.get(ref) is None or await world.store.get(ref_of(2)) is None:
            await asyncio.sleep(0.005)
        world.stopping.set()


# --- tracker ---------------------------------------------------------------------------------------------


async def test_progress_moves_a_message_on(world: World) -> None:
    await say_judged(world, 1)
    await Recorder(world.desk)(await world.fetch(RECORDER))
    await world.bus.publish(
        progress_subject("s0", ref_of(1)), progress(ref_of(1)).SerializeToString()
    )
    await Tracker(world.desk)(await world.fetch(TRACKER))
    found = await world.store.get(ref_of(1))
    assert found.summary.state is State.DELIVERED


# --- holder ----------------------------------------------------------------------------------------------


async def test_a_held_message_lies_in_our_store(world: World) -> None:
    ref = await say_held(world, 1, b"the body")
    await Holder(world.desk, world.bus.bodies)(await world.fetch(HOLDER))
    body = await world.store.body(ref)
    assert body is not None
    assert (body.key, body.bytes) == (f"held/{ref}", 8)
    assert await world.bus.bodies.get(body.key) == b"the body"
    assert world.value("messages_held_total") == 1


async def test_its_shard_is_remembered(world: World) -> None:
    ref = await say_held(world, 1)
    await Holder(world.desk, world.bus.bodies)(await world.fetch(HOLDER))
    await world.releases.release([ref], "test")
    assert [stored.subject for stored in world.bus.stored(MAIL)][-1] == deliver_subject("s7", ref)


async def test_a_big_body_moves_into_our_store(world: World) -> None:
    ref, content = ref_of(1), b"x" * 600_000
    await world.bus.bodies.put(f"mail/{ref}", content)
    mail = held_elsewhere(ref, f"mail/{ref}", content)
    await world.bus.publish(hold_subject("s0", ref), mail.SerializeToString())
    await Holder(world.desk, world.bus.bodies)(await world.fetch(HOLDER))
    assert await world.bus.bodies.keys() == [f"held/{ref}"]
    assert await world.bus.bodies.get(f"held/{ref}") == content


async def test_taking_in_again_changes_nothing(world: World) -> None:
    ref, content = ref_of(1), b"x" * 600_000
    await world.bus.bodies.put(f"mail/{ref}", content)
    mail = held_elsewhere(ref, f"mail/{ref}", content).SerializeToString()
    for _ in range(2):
        await world.bus.publish(hold_subject("s0", ref), mail)
    handler = Holder(world.desk, world.bus.bodies)
    for message in await world.fetch(HOLDER):
        await handler([message])
    assert world.bus.stored(PARKED) == []
    assert await world.bus.bodies.get(f"held/{ref}") == content


async def test_taking_in_again_after_the_end_parks_nothing(world: World) -> None:
    ref, content = ref_of(1), b"x" * 600_000
    await world.bus.bodies.put(f"mail/{ref}", content)
    mail = held_elsewhere(ref, f"mail/{ref}", content).SerializeToString()
    for _ in range(2):
        await world.bus.publish(hold_subject("s0", ref), mail)
    first, second = await world.fetch(HOLDER)
    handler = Holder(world.desk, world.bus.bodies)
    await handler([first])
    await world.releases.delete([ref], "test")
    await handler([second])
    assert world.bus.stored(PARKED) == []
    found = await world.store.get(ref)
    assert found.summary.state is State.DELETED
    assert await world.bus.bodies.keys() == []


async def test_a_lost_body_is_an_alarm(world: World) -> None:
    ref = ref_of(1)
    mail = held_elsewhere(ref, f"mail/{ref}", b"gone")
    await world.bus.publish(hold_subject("s0", ref), mail.SerializeToString())
    await Holder(world.desk, world.bus.bodies)(await world.fetch(HOLDER))
    assert world.value("unusable_messages_total", consumer="holder") == 1
    assert len(world.bus.stored(PARKED)) == 1


async def test_a_body_store_that_is_away_gives_the_message_back(world: World) -> None:
    await say_held(world, 1)
    messages = await world.fetch(HOLDER)
    world.bus.outage = BusUnavailable("away")
    with pytest.raises(BusUnavailable):
        await Holder(world.desk, world.bus.bodies)(messages)
    world.bus.outage = None
    assert await world.store.get(ref_of(1)) is None


async def test_a_held_message_that_expired_meanwhile_stays_deleted(world: World) -> None:
    await say_judged(world, 1, action="hold")
    await Recorder(world.desk)(await world.fetch(RECORDER))
    await world.store.command([ref_of(1)], Command.EXPIRE, NOW)
    await say_held(world, 1)
    await Holder(world.desk, world.bus.bodies)(await world.fetch(HOLDER))
    found = await world.store.get(ref_of(1))
    assert found.summary.state is State.DELETED
    assert await world.store.spent_bodies(NOW, 10) == [(ref_of(1), f"held/{ref_of(1)}")]
