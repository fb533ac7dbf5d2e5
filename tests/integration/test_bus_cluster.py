"""The bus over three servers that keep three copies: what a cluster survives, and how it begins."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from mailweir_core.clock import SystemClock
from mailweir_policy import Policy
from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.nats import NatsBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import (
    BUCKETS,
    CONFIG,
    DELIVERER,
    RATES,
    STREAMS,
    deliver_subject,
)
from mailweir_runtime.config import current, ensure_first, propose
from mailweir_runtime.lifecycle import StartupError
from mailweir_testkit.nats import NatsServer, connected_bus, running_cluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MESSAGES = 40


@pytest.fixture
async def servers() -> AsyncIterator[list[NatsServer]]:
    async with running_cluster() as running:
        yield running


def urls(servers: list[NatsServer]) -> str:
    return ",".join(server.url for server in servers)


async def info(bus: NatsBus, stream: str) -> dict[str, object]:
    """Return what the broker says of a stream."""
    found = await nats_api.find(bus._link, f"STREAM.INFO.{stream}")
    assert found is not None
    return found


async def publish(bus: NatsBus, numbers: range) -> list[int]:
    """Publish as the ingress does; returns the numbers that were acknowledged."""
    acked = []
    for number in numbers:
        try:
            await bus.publish(deliver_subject("s0", f"m{number}"), b"mail", msg_id=f"m{number}")
        except BusUnavailable:
            continue
        acked.append(number)
    return acked


async def drained(bus: NatsBus) -> list[str]:
    """Take and acknowledge every message that there is to deliver."""
    consumer = await bus.consumer(DELIVERER)
    found: list[str] = []
    silent = 0
    while silent < 3:
        try:
            messages = await consumer.fetch(100, 1.0)
        except BusUnavailable:
            await asyncio.sleep(0.2)
            continue
        silent = 0 if messages else silent + 1
        for message in messages:
            found.append(message.subject.rpartition(".")[2])
            await message.ack()
    return found


async def leader_of(bus: NatsBus, stream: str) -> str:
    cluster = (await info(bus, stream))["cluster"]
    assert isinstance(cluster, dict)
    return str(cluster["leader"])


@pytest.mark.long
async def test_every_stream_and_bucket_has_three_copies(servers: list[NatsServer]) -> None:
    async with connected_bus(urls(servers), replicas=3, connect_seconds=30) as bus:
        for name in (*(s.name for s in STREAMS), *(f"KV_{b.name}" for b in BUCKETS), "OBJ_bodies"):
            config = (await info(bus, name))["config"]
            assert isinstance(config, dict)
            assert config["num_replicas"] == 3, name


@pytest.mark.parametrize("victim", ["leader", pytest.param("follower", marks=pytest.mark.long)])
async def test_one_server_may_be_killed(servers: list[NatsServer], victim: str) -> None:
    """No acknowledged message is lost, and publishing goes on with two of three."""
    async with connected_bus(urls(servers), replicas=3, connect_seconds=30) as bus:
        acked = await publish(bus, range(MESSAGES))
        leader = await leader_of(bus, "MAIL")
        number = int(leader.removeprefix("n"))
        killed = servers[number if victim == "leader" else (number + 1) % 3]
        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publish(bus, range(MESSAGES, 2 * MESSAGES)))
            tasks.create_task(killed.kill())
        acked += publishing.result()
        assert (
            len(acked) == 2 * MESSAGES
        )  # each waits up to ten seconds, and the election is shorter
        await ensure_first(bus, Policy(), SystemClock())
        assert await current(bus) is not None

        found = await drained(bus)

        assert sorted(set(found)) == sorted(f"m{number}" for number in acked)
        await killed.start()
        assert len(await publish(bus, range(2 * MESSAGES, 3 * MESSAGES))) == MESSAGES
        assert len(set(await drained(bus))) == MESSAGES


@pytest.mark.long
async def test_the_policy_is_read_as_it_was_written(servers: list[NatsServer]) -> None:
    """A value that was acknowledged is the one that is read next, whatever server is asked."""
    async with (
        connected_bus(urls(servers), replicas=3, connect_seconds=30) as writer,
        connected_bus(urls(servers[::-1]), replicas=3) as reader,
    ):
        version = await ensure_first(writer, Policy(), SystemClock())
        for _ in range(20):
            version = await propose(
                writer, Policy(), author="a", reason="", clock=SystemClock(), expected=version
            )
            seen = await current(reader)
            assert seen is not None
            assert seen.version == version


@pytest.mark.long
async def test_a_big_body_is_there_once_it_is_stored(servers: list[NatsServer]) -> None:
    content = bytes(range(256)) * 8192
    async with (
        connected_bus(urls(servers), replicas=3, connect_seconds=30) as writer,
        connected_bus(urls(servers[::-1]), replicas=3) as reader,
    ):
        for number in range(10):
            await writer.bodies.put(f"ref{number}", content)
            assert await reader.bodies.get(f"ref{number}") == content


@pytest.mark.long
async def test_counters_in_memory_outlive_one_server(servers: list[NatsServer]) -> None:
    async with connected_bus(urls(servers), replicas=3, connect_seconds=30) as bus:
        bucket = await bus.bucket(RATES)
        await bucket.put("key", b"7")
        leader = await leader_of(bus, f"KV_{RATES.name}")
        await servers[int(leader.removeprefix("n"))].kill()
        entry = None
        async with asyncio.timeout(20):
            while entry is None:
                try:
                    entry = await bucket.get("key")
                except BusUnavailable:
                    await asyncio.sleep(0.2)
        assert entry.value == b"7"


@pytest.mark.long
async def test_two_servers_gone_put_mail_off(servers: list[NatsServer]) -> None:
    """Without a majority nothing is acknowledged; with it back, what was acknowledged is there."""
    async with connected_bus(urls(servers), replicas=3, connect_seconds=30) as bus:
        acked = await publish(bus, range(10))
        await servers[0].kill()
        await servers[1].kill()
        with pytest.raises(BusUnavailable):
            await bus.publish(deliver_subject("s0", "late"), b"mail", msg_id="late")
        await servers[0].start()
        async with asyncio.timeout(30):
            while not await publish(bus, range(10, 11)):
                await asyncio.sleep(0.2)
        found = await drained(bus)
        assert {f"m{number}" for number in acked} | {"m10"} <= set(found)


@pytest.mark.long
async def test_a_start_waits_until_the_cluster_is_whole(servers: list[NatsServer]) -> None:
    """Everything starts at once: the first service meets one server of three."""
    for server in servers[1:]:
        await server.kill()

    async def complete() -> None:
        await asyncio.sleep(2)
        for server in servers[1:]:
            await server.start()

    async def connect() -> int:
        async with connected_bus(urls(servers), replicas=3, connect_seconds=30) as bus:
            config = json.loads(json.dumps((await info(bus, f"KV_{CONFIG.name}"))["config"]))
            return int(config["num_replicas"])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(complete())
        copies = tasks.create_task(connect())
    assert copies.result() == 3


async def test_one_server_that_is_asked_for_three_copies_says_so() -> None:
    async with running_cluster(1) as alone:
        with pytest.raises(StartupError, match="bus cannot be reached"):
            async with connected_bus(alone[0].url, replicas=3, connect_seconds=4):
                pass
