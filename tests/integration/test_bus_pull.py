"""Pull loops, config watch and heartbeat on a real nats-server, over its restarts."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from mailweir_core.clock import SystemClock
from mailweir_policy import IdentityPolicy, Policy
from mailweir_runtime.bus import nats_api, pull as pull_module
from mailweir_runtime.bus.nats import NatsBus, connect_bus
from mailweir_runtime.bus.ports import Message, RevisionConflict
from mailweir_runtime.bus.pull import pull, pull_batches
from mailweir_runtime.bus.topology import (
    JUDGED,
    PARKED,
    BucketSpec,
    ConsumerSpec,
    judged_subject,
)
from mailweir_runtime.config import ConfigWatch, ensure_first, propose
from mailweir_runtime.heartbeat import heartbeat, live_services
from mailweir_runtime.settings import ServiceSettings
from mailweir_testkit.nats import NatsServer, connected_bus, running_server
from mailweir_testkit.runtime import running_runtime

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

QUICK = ConsumerSpec("quick", JUDGED, "mailweir.*.judged.v1.>", ack_wait_seconds=1.0, max_deliver=3)
ON_PARKED = ConsumerSpec("on-parked", PARKED, "mailweir.*.parked.v1.>")
SHORT = BucketSpec("short", ttl_seconds=1.0)


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with running_server() as running:
        yield running


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[NatsBus]:
    async with connected_bus(server.url) as connected:
        yield connected


async def fill(bus: NatsBus, count: int) -> None:
    for number in range(count):
        await bus.publish(judged_subject("s0", f"m{number}"), b"%d" % number, msg_id=f"m{number}")


async def empty(bus: NatsBus, spec: ConsumerSpec) -> None:
    consumer = await bus.consumer(spec)
    async with asyncio.timeout(30):
        while await consumer.lag():
            await asyncio.sleep(0.05)


async def test_every_message_is_handled_over_kills(server: NatsServer, bus: NatsBus) -> None:
    seen: Counter[bytes] = Counter()
    stopping = asyncio.Event()

    async def handle(message: Message) -> None:
        await asyncio.sleep(0.01)
        seen[message.payload] += 1

    await fill(bus, 300)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pull(bus, QUICK, handle, concurrency=5, stopping=stopping))
        for _ in range(2):
            await asyncio.sleep(0.1)
            await server.restart()
        await empty(bus, QUICK)
        stopping.set()
    assert sorted(seen) == sorted(b"%d" % number for number in range(300))
    # what was in flight at a kill comes again; no more than that
    assert sum(seen.values()) <= 300 + 2 * 5 * 20


async def test_a_bad_message_is_parked_and_the_rest_of_its_batch_is_not(
    bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_module, "RETRY_FIRST_SECONDS", 0.05)
    stored: list[bytes] = []
    stopping = asyncio.Event()

    async def insert(messages: Sequence[Message]) -> None:
        if any(message.payload == b"7" for message in messages):
            raise ValueError("violates a constraint")
        stored.extend(message.payload for message in messages)

    await fill(bus, 20)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pull_batches(bus, QUICK, insert, most=50, stopping=stopping))
        await empty(bus, QUICK)
        stopping.set()
    assert sorted(stored) == sorted(b"%d" % number for number in range(20) if number != 7)
    (parked,) = await (await bus.consumer(ON_PARKED)).fetch(5, 1.0)
    assert parked.payload == b"7"
    assert parked.subject == "mailweir.s0.parked.v1.quick"
    stored = await nats_api.call(bus._link, "STREAM.MSG.GET.PARKED", {"seq": 1})
    fields = nats_api.header_fields(base64.b64decode(stored["message"]["hdrs"]))
    assert fields["mailweir-parked-subject"] == "mailweir.s0.judged.v1.m7"
    assert fields["mailweir-parked-attempts"] == "3"
    assert "violates a constraint" in fields["mailweir-parked-reason"]


async def test_stopping_gives_back_what_came_late(bus: NatsBus) -> None:
    async def handle(message: Message) -> None:
        await message.ack_sync()

    for number in range(5):
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pull(bus, QUICK, handle, concurrency=3, stopping=stopping))
            await asyncio.sleep(0.05)
            publishing = tasks.create_task(bus.publish(judged_subject("s0", f"x{number}"), b"x"))
            stopping.set()
            await asyncio.wait((publishing,))
    consumer = await bus.consumer(QUICK)
    left = await consumer.lag()
    # nothing waits out an ack wait with a loop that has ended
    assert len(await consumer.fetch(10, 0.3)) == left


async def test_a_key_that_runs_out_is_told_to_watches(bus: NatsBus) -> None:
    bucket = await bus.bucket(SHORT)
    await bucket.put("a", b"1")
    seen: list[bytes | None] = []

    async def watch() -> None:
        async for entry in bucket.watch():
            seen.append(entry.value)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        async with asyncio.timeout(15):
            while seen != [b"1", None]:
                await asyncio.sleep(0.02)
        watching.cancel()
    assert await bucket.get("a") is None
    assert await bucket.entries() == []
    await bucket.create("a", b"2")


async def test_the_watch_follows_over_a_restart(server: NatsServer) -> None:
    clock = SystemClock()
    settings = ServiceSettings(nats_url=server.url)
    async with running_runtime("test", settings) as rt, connect_bus(rt) as bus:
        await ensure_first(bus, Policy(), clock)
        async with ConfigWatch(rt, bus) as config:
            assert (await config.first(5)).version == "v.1"
            await server.restart()
            changed = Policy(identity=IdentityPolicy(hostname="new.example"))
            await propose(bus, changed, author="a", reason="r", clock=clock, expected="v.1")
            async with asyncio.timeout(10):
                while config.current.version != "v.2":
                    await asyncio.sleep(0.01)
            assert config.current.policy == changed


async def test_of_two_gateways_one_is_told_of_the_other(server: NatsServer, bus: NatsBus) -> None:
    clock = SystemClock()
    await ensure_first(bus, Policy(), clock)
    async with connected_bus(server.url) as other:

        async def attempt(own: NatsBus, hostname: str) -> str | None:
            policy = Policy(identity=IdentityPolicy(hostname=hostname))
            try:
                return await propose(
                    own, policy, author="a", reason="r", clock=clock, expected="v.1"
                )
            except RevisionConflict:
                return None

        async with asyncio.TaskGroup() as tasks:
            attempts = [
                tasks.create_task(attempt(own, f"h{number}.example"))
                for number, own in enumerate((bus, other))
            ]
    assert [task.result() is None for task in attempts].count(True) == 1


async def test_many_first_starts_agree(server: NatsServer, bus: NatsBus) -> None:
    async with connected_bus(server.url) as other, asyncio.TaskGroup() as tasks:
        starts = [
            tasks.create_task(ensure_first(own, Policy(), SystemClock()))
            for own in (bus, other, bus, other)
        ]
    assert {start.result() for start in starts} in ({"v.1"}, {"v.2"}, {"v.3"}, {"v.4"})


async def test_the_heartbeat_is_seen_by_others(server: NatsServer, bus: NatsBus) -> None:
    settings = ServiceSettings(nats_url=server.url, instance="pod-1")
    async with running_runtime("scoring", settings) as rt, connect_bus(rt) as own:
        async with rt.background(heartbeat(rt, own, None)):
            async with asyncio.timeout(5):
                while not (found := await live_services(bus)):
                    await asyncio.sleep(0.01)
            assert [(status.name, status.instance) for status in found] == [("scoring", "pod-1")]
        assert await live_services(bus) == []
