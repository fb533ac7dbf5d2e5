"""The bus contract: streams and consumers, on memory and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import (
    DELIVERER,
    DELIVERY,
    HOLDER,
    JUDGED,
    PARKED,
    ConsumerSpec,
    deliver_subject,
    hold_subject,
    judged_subject,
    parked_subject,
    progress_subject,
)
from mailweir_testkit.nats import connected_bus, nats_server

PROBE = ConsumerSpec(
    "probe",
    JUDGED,
    "mailweir.*.judged.v1.>",
    ack_wait_seconds=0.4,
    max_deliver=3,
    max_ack_pending=5,
)
PARKER = ConsumerSpec("parker", PARKED, "mailweir.*.parked.v1.>")


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with nats_server() as url, connected_bus(url) as real:
        yield real


async def test_publish_returns_stream_and_sequence(bus: Bus) -> None:
    first = await bus.publish(deliver_subject("s0", "a"), b"one", msg_id="a")
    second = await bus.publish(deliver_subject("s0", "b"), b"two", msg_id="b")
    assert (first.stream, first.sequence, first.duplicate) == ("MAIL", 1, False)
    assert (second.stream, second.sequence) == ("MAIL", 2)


async def test_an_id_is_stored_once(bus: Bus) -> None:
    first = await bus.publish(deliver_subject("s0", "a"), b"one", msg_id="a")
    again = await bus.publish(deliver_subject("s0", "a"), b"one", msg_id="a")
    assert again.duplicate
    assert again.sequence == first.sequence
    consumer = await bus.consumer(DELIVERER)
    assert len(await consumer.fetch(10, 0.3)) == 1


async def test_without_an_id_everything_is_stored(bus: Bus) -> None:
    for _ in range(2):
        await bus.publish(deliver_subject("s0", "a"), b"same")
    consumer = await bus.consumer(DELIVERER)
    assert len(await consumer.fetch(10, 0.3)) == 2


async def test_an_undeclared_subject_is_unavailable(bus: Bus) -> None:
    with pytest.raises(BusUnavailable):
        await bus.publish("nowhere.at.all", b"x")


async def test_a_message_tells_what_it_is(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    assert await consumer.fetch(1, 0.0) == []
    await bus.publish(deliver_subject("s7", "a"), b"\x00payload\r\n.\xff", msg_id="a")
    (message,) = await consumer.fetch(1, 1.0)
    assert message.subject == "mailweir.s7.mail.deliver.v1.a"
    assert message.payload == b"\x00payload\r\n.\xff"
    assert message.attempt == 1
    assert message.fresh
    assert not message.settled
    assert message.published_at > 1_700_000_000


async def test_consumers_of_a_stream_take_their_own_part(bus: Bus) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"go")
    await bus.publish(hold_subject("s0", "b"), b"stay")
    holder, deliverer = await bus.consumer(HOLDER), await bus.consumer(DELIVERER)
    assert [m.payload for m in await holder.fetch(5, 0.3)] == [b"stay"]
    assert [m.payload for m in await deliverer.fetch(5, 0.3)] == [b"go"]


async def test_acked_messages_do_not_come_back(bus: Bus) -> None:
    await bus.publish(judged_subject("s0", "a"), b"x")
    consumer = await bus.consumer(PROBE)
    (message,) = await consumer.fetch(1, 1.0)
    await message.ack()
    assert message.settled
    assert await consumer.fetch(1, 1.5) == []


async def test_ack_sync_is_seen_at_once(bus: Bus) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 1.0)
    assert await consumer.lag() == 1
    await message.ack_sync()
    assert await consumer.lag() == 0


async def test_unacked_messages_come_back_after_the_ack_wait(bus: Bus) -> None:
    await bus.publish(judged_subject("s0", "a"), b"x")
    consumer = await bus.consumer(PROBE)
    await consumer.fetch(1, 1.0)
    assert await consumer.fetch(1, 0.1) == []
    (again,) = await consumer.fetch(1, 5.0)
    assert again.attempt == 2
    assert not again.fresh


async def test_in_progress_puts_the_redelivery_off(bus: Bus) -> None:
    await bus.publish(judged_subject("s0", "a"), b"x")
    consumer = await bus.consumer(PROBE)
    (message,) = await consumer.fetch(1, 1.0)
    for _ in range(4):
        await asyncio.sleep(0.35)
        await message.in_progress()
    assert await consumer.fetch(1, 0.1) == []
    await message.ack()


async def test_nak_gives_back_at_once_or_after_a_delay(bus: Bus) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 1.0)
    await message.nak()
    (message,) = await consumer.fetch(1, 1.0)
    await message.nak(0.5)
    assert await consumer.fetch(1, 0.2) == []
    (message,) = await consumer.fetch(1, 2.0)
    assert message.attempt == 3
    assert await consumer.lag() == 1


async def test_settling_twice_does_nothing_more(bus: Bus) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 1.0)
    await message.ack_sync()
    await message.nak()
    await message.park("too late")
    await message.in_progress()
    assert await consumer.fetch(1, 0.3) == []
    assert await (await bus.consumer(PARKER)).fetch(1, 0.2) == []


async def test_a_parked_message_moves_with_its_payload(bus: Bus) -> None:
    await bus.publish(deliver_subject("s3", "a"), b"the mail")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 1.0)
    await message.park("cannot\r\nbe read: ünreadable")
    (parked,) = await (await bus.consumer(PARKER)).fetch(1, 1.0)
    assert parked.subject == parked_subject("s3", "deliverer")
    assert parked.payload == b"the mail"
    assert await consumer.lag() == 0
    counted = bus.metrics.parked.labels("deliverer")
    assert counted._value.get() == 1


async def test_fetch_returns_no_more_than_asked_and_in_order(bus: Bus) -> None:
    for number in range(7):
        await bus.publish(deliver_subject("s0", f"m{number}"), str(number).encode())
    consumer = await bus.consumer(DELIVERER)
    first, second = await consumer.fetch(3, 1.0), await consumer.fetch(100, 1.0)
    assert [m.payload for m in first] == [b"0", b"1", b"2"]
    assert [m.payload for m in second] == [b"3", b"4", b"5", b"6"]


async def test_fetch_returns_with_the_first_message_not_with_the_last(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(consumer.fetch(10, 10.0))
        await asyncio.sleep(0.2)
        await bus.publish(deliver_subject("s0", "a"), b"x")
    assert len(fetching.result()) == 1
    assert loop.time() - started < 5.0


async def test_fetch_of_nothing_ends_in_time(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await consumer.fetch(10, 0.4) == []
    assert 0.3 < loop.time() - started < 4.0


async def test_a_cancelled_fetch_loses_nothing(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(consumer.fetch(1, 10.0))
        await asyncio.sleep(0.2)
        fetching.cancel()
    await bus.publish(deliver_subject("s0", "a"), b"x")
    (message,) = await consumer.fetch(1, 3.0)
    assert message.payload == b"x"


async def test_a_fetch_kept_open_serves_the_next_ones(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    seen: list[bytes] = []
    for number in range(6):
        await bus.publish(deliver_subject("s0", f"m{number}"), str(number).encode())
        found = await consumer.fetch(4, 2.0, keep_open=True)
        seen += [m.payload for m in found]
        for message in found:
            await message.ack_sync()
    assert seen == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert await consumer.fetch(4, 0.2, keep_open=True) == []
    await consumer.end_fetching()


async def test_a_fetch_kept_open_returns_what_lies_ready(bus: Bus) -> None:
    for number in range(7):
        await bus.publish(deliver_subject("s0", f"m{number}"), str(number).encode())
    consumer = await bus.consumer(DELIVERER)
    taken: list[bytes] = []
    async with asyncio.timeout(5):
        while len(taken) < 5:
            found = await consumer.fetch(5 - len(taken), 1.0, keep_open=True)
            taken += [m.payload for m in found]
    assert taken == [b"0", b"1", b"2", b"3", b"4"]
    await consumer.end_fetching()
    assert [m.payload for m in await consumer.fetch(5, 0.5)] == [b"5", b"6"]


async def test_what_came_after_the_last_fetch_is_given_back(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    await bus.publish(deliver_subject("s0", "a"), b"a")
    (first,) = await consumer.fetch(5, 1.0, keep_open=True)
    await first.ack_sync()
    await bus.publish(deliver_subject("s0", "b"), b"b")
    await asyncio.sleep(0.2)
    await consumer.end_fetching()
    (second,) = await consumer.fetch(1, 2.0)  # long before the ack wait of 30 s
    assert second.payload == b"b"


async def test_a_cancelled_fetch_kept_open_loses_nothing(bus: Bus) -> None:
    consumer = await bus.consumer(DELIVERER)
    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(consumer.fetch(3, 10.0, keep_open=True))
        await asyncio.sleep(0.2)
        fetching.cancel()
    await bus.publish(deliver_subject("s0", "a"), b"x")
    (message,) = await consumer.fetch(1, 3.0)
    assert message.payload == b"x"


async def test_max_ack_pending_bounds_what_is_out(bus: Bus) -> None:
    for number in range(8):
        await bus.publish(judged_subject("s0", f"m{number}"), b"x")
    consumer = await bus.consumer(PROBE)
    out = await consumer.fetch(8, 0.1)
    assert len(out) == 5
    await out[0].ack_sync()
    assert len(await consumer.fetch(8, 0.1)) == 1


async def test_two_takers_share_a_consumer(bus: Bus) -> None:
    for number in range(20):
        await bus.publish(deliver_subject("s0", f"m{number}"), str(number).encode())
    consumer = await bus.consumer(DELIVERER)
    async with asyncio.TaskGroup() as tasks:
        takers = [tasks.create_task(consumer.fetch(10, 1.0)) for _ in range(2)]
    taken = [m.payload for taker in takers for m in taker.result()]
    assert sorted(taken) == sorted(str(n).encode() for n in range(20))


async def test_last_returns_the_newest_of_a_subject(bus: Bus) -> None:
    subject = progress_subject("s0", "a")
    assert await bus.last(DELIVERY, subject) is None
    await bus.publish(subject, b"one")
    await bus.publish(subject, b"two")
    await bus.publish(progress_subject("s0", "b"), b"other")
    assert await bus.last(DELIVERY, subject) == b"two"


async def test_a_stream_of_one_per_subject_keeps_the_newest(bus: Bus) -> None:
    for number in range(3):
        await bus.publish(progress_subject("s0", "a"), str(number).encode())
    spec = ConsumerSpec("all-progress", DELIVERY, "mailweir.*.delivery.progress.v1.>")
    consumer = await bus.consumer(spec)
    assert [m.payload for m in await consumer.fetch(5, 0.3)] == [b"2"]


async def test_a_bad_subject_or_id_is_refused_before_it_is_sent(bus: Bus) -> None:
    with pytest.raises(ValueError, match="subject"):
        await bus.publish("mailweir.s0.mail.deliver.v1.a b", b"x")
    with pytest.raises(ValueError, match="subject"):
        await bus.publish("mailweir.s0.mail.deliver.v1.a\r\nPUB x 0", b"x")
    with pytest.raises(ValueError, match="id"):
        await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a\r\nX: y")


async def test_it_is_connected(bus: Bus) -> None:
    assert bus.connected


async def test_what_the_streams_hold_is_told(bus: Bus) -> None:
    for name in ("a", "b"):
        await bus.publish(deliver_subject("s0", name), b"x" * 1000)
    held = await bus.held(["MAIL", "JUDGED", "NOWHERE"])
    fills = {fill.name: fill for fill in held.streams}
    assert fills.keys() == {"MAIL", "JUDGED"}
    assert (fills["MAIL"].messages, fills["JUDGED"].messages) == (2, 0)
    assert held.store_bytes >= fills["MAIL"].bytes >= 2000
