"""The bus when the broker is killed, hangs, or comes back empty."""

import asyncio
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from mailweir_runtime.bus import nats as nats_bus, nats_kv
from mailweir_runtime.bus.nats import NatsBus, connect_bus
from mailweir_runtime.bus.ports import BusFull, BusUnavailable, Consumer, Message, RevisionConflict
from mailweir_runtime.bus.topology import (
    CONFIG,
    DELIVERER,
    JUDGED,
    PASSES,
    RATES,
    ConsumerSpec,
    deliver_subject,
    judged_subject,
)
from mailweir_runtime.lifecycle import StartupError
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


async def fetch_one(consumer: Consumer) -> Message:
    """Take the next message, through reconnects."""
    async with asyncio.timeout(15):
        while True:
            try:
                messages = await consumer.fetch(1, 1.0)
            except BusUnavailable:
                continue
            if messages:
                return messages[0]


async def test_what_was_acknowledged_survives_kills(server: NatsServer, bus: NatsBus) -> None:
    acked: list[str] = []
    unknown: list[str] = []

    async def publish(worker: int) -> None:
        for number in range(60):
            ref = f"w{worker}-{number}"
            try:
                await bus.publish(deliver_subject("s0", ref), ref.encode() * 200, msg_id=ref)
            except BusUnavailable:
                unknown.append(ref)
            else:
                acked.append(ref)

    async with asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(publish(worker)) for worker in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.05)
            await server.kill()
            await asyncio.sleep(0.05)
            await server.start()
        await asyncio.wait(workers)
    found = [message.subject.rsplit(".", 1)[1] for message in await fetch_all(bus, DELIVERER)]
    assert len(acked) == 8 * 60, f"not confirmed: {unknown}"
    assert sorted(found) == sorted(acked)  # each of them once: sent again, stored once


async def test_an_id_is_known_after_a_kill(server: NatsServer, bus: NatsBus) -> None:
    first = await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    await server.restart()
    again = await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    assert again.duplicate
    assert again.sequence == first.sequence


async def test_a_publish_waits_for_the_broker_to_come_back(
    server: NatsServer, bus: NatsBus
) -> None:
    await server.kill()
    async with asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a"))
        await asyncio.sleep(0.5)
        assert not publishing.done()
        assert not bus.connected
        await server.start()
    assert publishing.result().stream == "MAIL"
    assert bus.connected


async def test_a_publish_to_a_dead_broker_fails_in_time(
    server: NatsServer, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_bus, "PUBLISH_SECONDS", 0.5)
    await server.kill()
    with pytest.raises(BusUnavailable):
        await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    assert bus.metrics.publish_failures.labels("unavailable")._value.get() == 1


async def test_a_broker_that_hangs_is_given_up_and_found_again(
    server: NatsServer, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_bus, "PUBLISH_SECONDS", 1.0)
    monkeypatch.setattr("mailweir_runtime.bus.nats_link.PROBE_SECONDS", 0.5)
    server.pause()
    try:
        with pytest.raises(BusUnavailable):
            await bus.publish(deliver_subject("s0", "a"), b"x" * 3_000_000, msg_id="a")
        async with asyncio.timeout(10):
            while bus.connected:
                await asyncio.sleep(0.05)
    finally:
        server.resume()
    monkeypatch.setattr(nats_bus, "PUBLISH_SECONDS", 15.0)
    ack = await bus.publish(deliver_subject("s0", "a"), b"y", msg_id="a")
    assert ack.stream == "MAIL"


async def test_unacked_messages_come_back_after_a_kill(server: NatsServer, bus: NatsBus) -> None:
    await bus.publish(judged_subject("s0", "a"), b"x", msg_id="a")
    consumer = await bus.consumer(QUICK)
    (message,) = await consumer.fetch(1, 2.0)
    await server.restart()
    again = await fetch_one(consumer)
    assert again.payload == message.payload
    assert not again.fresh


async def test_a_message_acked_just_before_a_kill_is_never_called_fresh(
    server: NatsServer, bus: NatsBus
) -> None:
    consumer = await bus.consumer(QUICK)
    assert await consumer.fetch(1, 0.0) == []
    await bus.publish(judged_subject("s0", "a"), b"x", msg_id="a")
    (message,) = await consumer.fetch(1, 2.0)
    assert message.fresh
    await message.ack()
    await server.restart()
    # the broker may have forgotten the ack, and even that it handed the message out
    assert all(not again.fresh for again in await fetch_all(bus, QUICK))


async def test_a_fetch_ends_when_the_connection_does(server: NatsServer, bus: NatsBus) -> None:
    consumer = await bus.consumer(DELIVERER)
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(_outcome(consumer.fetch(1, 30.0)))
        await asyncio.sleep(0.2)
        await server.kill()
        async with asyncio.timeout(3):
            await asyncio.wait((fetching,))
    assert isinstance(fetching.result(), BusUnavailable)
    await server.start()


async def _outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except BusUnavailable as error:
        return error


async def test_a_long_nak_delay_outlives_a_restart(server: NatsServer, bus: NatsBus) -> None:
    consumer = await bus.consumer(DELIVERER)
    await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    (message,) = await consumer.fetch(1, 2.0)
    await message.nak(6.0)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await asyncio.sleep(1.6)  # the broker writes a consumer's state about once a second
    await server.restart()
    again = await fetch_one(consumer)
    # kept in whole seconds: up to one early
    assert 4.5 < loop.time() - started < 9.0
    assert again.attempt == 2


async def test_a_watch_goes_on_over_a_restart(server: NatsServer, bus: NatsBus) -> None:
    bucket = await bus.bucket(CONFIG)
    for key in ("stays", "changes", "goes"):
        await bucket.put(key, b"1")
    seen: dict[str, bytes | None] = {}
    count = 0

    async def watch() -> None:
        nonlocal count
        async for entry in bucket.watch():
            seen[entry.key] = entry.value
            count += 1

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        async with asyncio.timeout(5):
            while len(seen) < 3:
                await asyncio.sleep(0.01)
        await server.restart()
        await bucket.put("changes", b"2")
        await bucket.delete("goes")
        await bucket.put("comes", b"3")
        async with asyncio.timeout(10):
            while seen != {"stays": b"1", "changes": b"2", "goes": None, "comes": b"3"}:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        watching.cancel()
    assert count == 6  # three at first, three changes; what stayed is not told again


async def test_a_key_that_runs_out_while_the_broker_is_away_is_told(
    server: NatsServer, bus: NatsBus
) -> None:
    bucket = await bus.bucket(PASSES)
    await bucket.put("ends", b"1", ttl_seconds=1.0)
    await bucket.put("stays", b"1", ttl_seconds=600.0)
    seen: dict[str, bytes | None] = {}

    async def watch() -> None:
        async for entry in bucket.watch():
            seen[entry.key] = entry.value

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        async with asyncio.timeout(5):
            while len(seen) < 2:
                await asyncio.sleep(0.01)
        await server.stop()
        await asyncio.sleep(1.5)
        await server.start()
        async with asyncio.timeout(10):
            while seen != {"ends": None, "stays": b"1"}:
                await asyncio.sleep(0.01)
        watching.cancel()
    found = await bucket.get_many(["ends", "stays"])
    assert [entry and entry.value for entry in found] == [None, b"1"]


async def test_what_lay_in_memory_is_gone_with_the_broker_and_the_bucket_works(
    server: NatsServer, bus: NatsBus
) -> None:
    bucket = await bus.bucket(RATES)
    revision = await bucket.put("a", b"1", ttl_seconds=600.0)
    await server.restart()
    async with asyncio.timeout(15):
        while True:
            try:
                assert await bucket.get_many(["a"]) == [None]
                break
            except BusUnavailable:
                await asyncio.sleep(0.1)
    with pytest.raises(RevisionConflict):
        await bucket.update("a", b"2", revision, ttl_seconds=600.0)
    await bucket.create("a", b"2", ttl_seconds=600.0)


async def test_many_keys_are_read_over_a_restart(server: NatsServer, bus: NatsBus) -> None:
    bucket = await bus.bucket(CONFIG)
    keys = [f"k.{number}" for number in range(50)]
    for key in keys:
        await bucket.put(key, key.encode())
    await server.kill()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(bucket.get_many(keys))
        await asyncio.sleep(0.2)
        await server.start()
    assert [entry and entry.key for entry in reading.result()] == keys


async def test_a_relaxed_bucket_loses_its_last_moment_with_a_kill_and_nothing_with_a_stop(
    server: NatsServer, bus: NatsBus
) -> None:
    bucket = await bus.bucket(PASSES)
    keys = [f"k.{number}" for number in range(200)]
    for key in keys:
        await bucket.put(key, key.encode(), ttl_seconds=600.0)
    await server.stop()
    await server.start()
    assert [entry and entry.key for entry in await bucket.get_many(keys)] == keys
    await bucket.put("last", b"1", ttl_seconds=600.0)
    await asyncio.sleep(1.0)
    await server.restart()
    assert [entry and entry.key for entry in await bucket.get_many([*keys, "last"])] == [
        *keys,
        "last",
    ]


async def test_many_keys_of_a_dead_broker_fail_in_time(
    server: NatsServer, bus: NatsBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_kv, "KV_SECONDS", 0.5)
    bucket = await bus.bucket(PASSES)
    server.pause()
    try:
        async with asyncio.timeout(3):
            with pytest.raises(BusUnavailable, match=r"not read within 0\.5 s"):
                await bucket.get_many(["a", "b"])
    finally:
        server.resume()


async def test_a_broker_that_comes_back_empty_is_set_up_again(
    server: NatsServer, bus: NatsBus
) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    await server.kill()
    shutil.rmtree(server.directory / "jetstream")
    await server.start()
    async with asyncio.timeout(15):
        while True:
            try:
                await bus.publish(deliver_subject("s0", "b"), b"x", msg_id="b")
                break
            except BusUnavailable:
                await asyncio.sleep(0.1)
    assert [m.payload for m in await fetch_all(bus, DELIVERER)] == [b"x"]


async def test_a_message_over_the_brokers_limit_is_refused_before_it_is_sent(bus: NatsBus) -> None:
    with pytest.raises(BusFull):
        await bus.publish(deliver_subject("s0", "a"), b"x" * 5_000_000, msg_id="a")
    assert bus.connected
    await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")


async def test_many_processes_set_up_at_once(server: NatsServer) -> None:
    script = textwrap.dedent(
        """
        import asyncio, sys
        from mailweir_testkit.nats import connected_bus
        async def main():
            async with connected_bus(sys.argv[1]):
                pass
        asyncio.run(main())
        """
    )
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, server.url)
        for _ in range(4)
    ]
    async with asyncio.TaskGroup() as tasks:
        ends = [tasks.create_task(process.wait()) for process in processes]
    assert [end.result() for end in ends] == [0, 0, 0, 0]


async def test_no_broker_is_one_clear_line(unused_tcp_port: int) -> None:
    settings = ServiceSettings(nats_url=f"nats://127.0.0.1:{unused_tcp_port}", connect_seconds=0.5)
    async with running_runtime("test", settings) as rt:
        with pytest.raises(StartupError, match="cannot be reached") as caught:
            async with connect_bus(rt):
                pass
    assert "\n" not in str(caught.value)
    assert str(unused_tcp_port) in str(caught.value)


async def test_a_service_without_its_broker_is_degraded(server: NatsServer, tmp_path: Path) -> None:
    settings = ServiceSettings(nats_url=server.url)
    async with running_runtime("test", settings) as rt, connect_bus(rt) as bus:
        rt.ready()
        await server.kill()
        async with asyncio.timeout(5):
            while rt.state != "degraded":
                await asyncio.sleep(0.01)
        await server.start()
        async with asyncio.timeout(10):
            while rt.state != "ready":
                await asyncio.sleep(0.01)
        assert bus.metrics.reconnects._value.get() == 1
        assert bus.metrics.disconnects._value.get() == 1
