"""Notices: once a day for each level, whichever process sees it, whatever is away meanwhile."""

import asyncio
from typing import Any

import pytest

from mailweir.events.v1 import events_pb2
from mailweir_policy.policy import IdentityPolicy
from mailweir_ratelimit.adapters.outbox import BusOutbox, queued
from mailweir_ratelimit.policy.notice import Letter
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import MAIL

Config = Any  # tests/conftest.py
World = Any


async def send(world: World, number: int) -> None:
    for _ in range(number):
        await world.send()


def told(world: World) -> list[tuple[str, str]]:
    return sorted((letter.kind, letter.to) for letter in world.outbox.sent.values())


async def test_at_eighty_percent_and_at_the_limit(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 10}})
    await send(world, 7)
    assert await world.notifier.send_pending(world.quotas.told)
    assert told(world) == []
    await send(world, 2)
    await world.notifier.send_pending(world.quotas.told)
    both = [("warn", "ann@example.com"), ("warn", "postmaster@example.com")]
    assert told(world) == both
    await send(world, 5)
    await world.notifier.send_pending(world.quotas.told)
    await send(world, 5)
    await world.notifier.send_pending(world.quotas.told)
    assert told(world) == [("full", "ann@example.com"), ("full", "postmaster@example.com"), *both]
    assert world.sample("notices_total", kind="full") == 2


async def test_again_on_the_next_day(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    for _ in range(3):
        await send(world, 2)
        await world.notifier.send_pending(world.quotas.told)
        world.clock.advance(86_400)
    assert len(world.outbox.sent) == 6


async def test_two_processes_tell_once(world: World, other: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 2}})
    await send(world, 2)
    await send(other, 1)
    await world.notifier.send_pending(world.quotas.told)
    await other.notifier.send_pending(other.quotas.told)
    assert len(world.outbox.sent) == 2


async def test_what_could_not_be_sent_is_sent_later(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 2}})
    await send(world, 2)
    world.outbox.away = True
    assert not await world.notifier.send_pending(world.quotas.told)
    assert world.sample("notice_failures_total") == 1
    world.outbox.away = False
    assert await world.notifier.send_pending(world.quotas.told)
    assert len(world.outbox.sent) == 2


async def test_a_process_that_died_before_telling_is_made_up_for(
    world: World, other: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 2}})
    await send(world, 2)  # and dies
    await send(other, 1)
    await other.notifier.send_pending(other.quotas.told)
    assert told(world) == [("full", "ann@example.com"), ("full", "postmaster@example.com")]


async def test_it_runs_in_the_background(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    world.outbox.away = True
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.notifier.run(world.quotas.told, retry_seconds=0.01))
        await send(world, 1)
        await asyncio.sleep(0.03)
        world.outbox.away = False
        async with asyncio.timeout(5):
            while len(world.outbox.sent) < 2:
                await asyncio.sleep(0.01)
        running.cancel()


LETTER = Letter("01JDEMONSTRATI0N0000000000", "ann@example.com", "Hello", ("Line",), 1.75e9, "warn")


async def test_a_letter_is_queued_once_from_nobody(config: Config) -> None:
    bus = MemoryBus()
    outbox = BusOutbox(bus, config, "s0")
    await outbox.send(LETTER)
    await outbox.send(LETTER)
    (stored,) = bus.stored(MAIL)
    assert stored.subject == f"mailweir.s0.mail.deliver.v1.{LETTER.ref}"
    mail = events_pb2.QueuedMail.FromString(stored.payload)
    assert mail.envelope.sender == ""
    assert list(mail.envelope.recipients) == ["ann@example.com"]
    assert (mail.action, mail.reason) == ("accept", "exempt")
    assert b"Auto-Submitted: auto-generated\r\n" in mail.content


@pytest.mark.parametrize(("to", "flag"), [("ann@example.com", False), ("žofie@example.com", True)])
def test_flags_of_the_envelope(to: str, flag: bool) -> None:
    letter = Letter(LETTER.ref, to, "Hello", ("Line",), 1.75e9, "warn")
    mail = events_pb2.QueuedMail.FromString(queued(letter, IdentityPolicy()))
    assert (mail.envelope.smtputf8, mail.envelope.eight_bit) == (flag, flag)
