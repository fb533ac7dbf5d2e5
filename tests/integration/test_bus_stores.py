"""Bodies and streams when a writer dies and when the store is full."""

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator

import pytest

from mailweir_runtime.bus.nats import NatsBus, connect_bus
from mailweir_runtime.bus.ports import BusFull, BusUnavailable, Message
from mailweir_runtime.bus.topology import (
    BODIES,
    DELIVERER,
    JUDGED,
    ConsumerSpec,
    deliver_subject,
)
from mailweir_runtime.settings import ServiceSettings
from mailweir_testkit.nats import NatsServer, connected_bus, running_server
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration

QUICK = ConsumerSpec("quick", JUDGED, "mailweir.*.judged.v1.>", ack_wait_seconds=1.0)


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with running_server() as running:
        yield running


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[NatsBus]:
    async with connected_bus(server.url) as connected:
        yield connected


async def fetch_all(bus: NatsBus, spec: ConsumerSpec) -> list[Message]:
    """Take all there is, through reconnects, until a second passes without any."""
    consumer = await bus.consumer(spec)
    found: list[Message] = []
    while True:
        try:
            messages = await consumer.fetch(200, 1.0)
        except BusUnavailable:
            continue
        if not messages:
            return found
        found += messages


async def test_a_killed_put_leaves_no_body(server: NatsServer, bus: NatsBus) -> None:
    script = textwrap.dedent(
        """
        import asyncio, sys
        from mailweir_testkit.nats import connected_bus
        async def main():
            async with connected_bus(sys.argv[1]) as bus:
                print("go", flush=True)
                while True:
                    await bus.bodies.put("mail/half", b"h" * 30_000_000)
        asyncio.run(main())
        """
    )
    await bus.bodies.put("mail/whole", b"w" * 1_000_000)
    for pause in (0.02, 0.05, 0.09):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, server.url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while b"go" not in await process.stdout.readline():
            continue
        await asyncio.sleep(pause)
        process.kill()
        await process.wait()
        assert await bus.bodies.get("mail/half") in (None, b"h" * 30_000_000)
    assert await bus.bodies.get("mail/whole") == b"w" * 1_000_000


async def test_pieces_of_nobody_are_swept(bus: NatsBus) -> None:
    await bus.bodies.put("mail/whole", b"w" * 1_500_000)
    wire = await bus._link.wire(5.0)
    for _ in range(3):  # what a writer leaves that dies before the metadata
        await wire.ask(f"$O.{BODIES}.C.0123456789abcdef", b"h" * 1000, b"", 5.0)
    assert await bus.bodies.sweep() == 0  # too young to be surely nobody's
    await asyncio.sleep(1.0)  # ages are in whole seconds
    assert await bus.bodies.sweep(older_than_seconds=0.0) == 1
    assert await bus.bodies.sweep(older_than_seconds=0.0) == 0
    assert await bus.bodies.get("mail/whole") == b"w" * 1_500_000


async def test_a_25_megabyte_body_survives_a_kill(server: NatsServer, bus: NatsBus) -> None:
    content = os.urandom(25_000_000)
    stored = await bus.bodies.put("mail/big", content)
    assert stored.bytes == len(content)
    await server.restart()
    assert await bus.bodies.get("mail/big") == content


@pytest.fixture
async def small() -> AsyncIterator[NatsBus]:
    async with (
        running_server(max_store_bytes=3 * 1024 * 1024) as server,
        connected_bus(server.url) as connected,
    ):
        yield connected


async def test_a_full_store_refuses_and_stores_nothing(small: NatsBus) -> None:
    stored = 0
    for number in range(20):
        ref = f"m{number}"
        try:
            await small.publish(deliver_subject("s0", ref), b"x" * 400_000, msg_id=ref)
        except BusFull:
            break
        stored += 1
    assert 5 <= stored <= 8
    assert small.metrics.publish_failures.labels("full")._value.get() == 1
    found = await fetch_all(small, DELIVERER)
    assert len(found) == stored
    for message in found:
        await message.ack_sync()
    again = await small.publish(deliver_subject("s0", "m19"), b"x" * 400_000, msg_id="m19")
    assert not again.duplicate


async def test_a_full_store_takes_no_body_and_leaves_no_piece(small: NatsBus) -> None:
    await small.bodies.put("mail/a", b"a" * 1_000_000)
    with pytest.raises(BusFull):
        await small.bodies.put("mail/b", b"b" * 4_000_000)
    assert await small.bodies.keys() == ["mail/a"]
    # the pieces were removed: there is room again
    await small.bodies.put("mail/c", b"c" * 1_000_000)
    assert await small.bodies.get("mail/a") == b"a" * 1_000_000


async def test_a_broker_that_does_not_store_is_degraded() -> None:
    async with running_server(max_store_bytes=1024 * 1024) as server:
        settings = ServiceSettings(nats_url=server.url)
        async with running_runtime("test", settings) as rt, connect_bus(rt) as bus:
            rt.ready()
            for ref in ("a", "b"):  # the limit is looked at before a message, not after it
                await bus.publish(deliver_subject("s0", ref), b"x" * 700_000)
            with pytest.raises(BusFull):
                await bus.publish(deliver_subject("s0", "c"), b"x" * 700_000)
            assert rt.state == "degraded"
            for message in await fetch_all(bus, DELIVERER):
                await message.ack_sync()
            await bus.publish(deliver_subject("s0", "c"), b"x" * 700_000)
            assert rt.state == "ready"
