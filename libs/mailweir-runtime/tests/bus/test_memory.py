"""What only the bus in memory has: a clock that a test moves, and an outage that it calls."""

import pytest

from mailweir_core.clock import ManualClock
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusFull, BusUnavailable, Entry
from mailweir_runtime.bus.topology import (
    CONFIG,
    DELIVERER,
    DELIVERY,
    JUDGED,
    MAIL,
    PARKED,
    SERVICES,
    deliver_subject,
    judged_subject,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(clock: ManualClock) -> MemoryBus:
    return MemoryBus(clock)


async def test_the_window_closes_with_the_clock(bus: MemoryBus, clock: ManualClock) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")
    clock.advance(MAIL.duplicate_window_seconds - 1)
    assert (await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")).duplicate
    clock.advance(2)
    assert not (await bus.publish(deliver_subject("s0", "a"), b"x", msg_id="a")).duplicate
    assert len(bus.stored(MAIL)) == 2


async def test_redelivery_follows_the_clock(bus: MemoryBus, clock: ManualClock) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 0)
    assert message.published_at == clock.now()
    clock.advance(DELIVERER.ack_wait_seconds - 1)
    assert await consumer.fetch(1, 0) == []
    await message.in_progress()
    clock.advance(DELIVERER.ack_wait_seconds - 1)
    assert await consumer.fetch(1, 0) == []
    clock.advance(1)
    (again,) = await consumer.fetch(1, 0)
    assert again.attempt == 2
    assert bus.metrics.redelivered.labels("deliverer")._value.get() == 1


async def test_a_delay_of_hours_costs_no_time(bus: MemoryBus, clock: ManualClock) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    consumer = await bus.consumer(DELIVERER)
    (message,) = await consumer.fetch(1, 0)
    await message.nak(14_400)
    clock.advance(14_399)
    assert await consumer.fetch(1, 0) == []
    clock.advance(1)
    assert len(await consumer.fetch(1, 0)) == 1


async def test_what_is_acked_leaves_a_work_queue(bus: MemoryBus) -> None:
    await bus.publish(deliver_subject("s0", "a"), b"x")
    (message,) = await (await bus.consumer(DELIVERER)).fetch(1, 0)
    assert len(bus.stored(MAIL)) == 1
    await message.ack()
    assert bus.stored(MAIL) == []


async def test_old_messages_go(bus: MemoryBus, clock: ManualClock) -> None:
    await bus.publish(judged_subject("s0", "a"), b"x")
    clock.advance(JUDGED.max_age_seconds + 1)
    await bus.publish(judged_subject("s0", "b"), b"y")
    assert [stored.payload for stored in bus.stored(JUDGED)] == [b"y"]
    assert await bus.last(JUDGED, judged_subject("s0", "a")) is None


async def test_a_parked_message_says_why(bus: MemoryBus) -> None:
    await bus.publish(deliver_subject("s5", "a"), b"the mail")
    (message,) = await (await bus.consumer(DELIVERER)).fetch(1, 0)
    await message.park("line\none " + "x" * 1000)
    (parked,) = bus.stored(PARKED)
    headers = dict(parked.headers)
    assert parked.subject == "mailweir.s5.parked.v1.deliverer"
    assert headers["Mailweir-Parked-Subject"] == "mailweir.s5.mail.deliver.v1.a"
    assert headers["Mailweir-Parked-Consumer"] == "deliverer"
    assert headers["Mailweir-Parked-Attempts"] == "1"
    assert headers["Mailweir-Parked-Reason"].startswith("line one xxx")
    assert len(headers["Mailweir-Parked-Reason"]) == 500


async def test_keys_run_out_with_the_clock(bus: MemoryBus, clock: ManualClock) -> None:
    bucket = await bus.bucket(SERVICES)
    await bucket.put("ingress.a", b"1")
    clock.advance(SERVICES.ttl_seconds - 1)
    assert await bucket.get("ingress.a") is not None
    watch = aiter(bucket.watch())
    assert (await anext(watch)).value == b"1"
    clock.advance(2)
    gone = await anext(watch)
    assert (gone.key, gone.value) == ("ingress.a", None)
    assert await bucket.get("ingress.a") is None
    assert await bucket.entries() == []
    await bucket.create("ingress.a", b"2")
    assert isinstance(await bucket.get("ingress.a"), Entry)


@pytest.mark.parametrize("outage", [BusUnavailable("away"), BusFull("full")])
async def test_an_outage_is_in_every_call(bus: MemoryBus, outage: BusUnavailable | BusFull) -> None:
    consumer, bucket = await bus.consumer(DELIVERER), await bus.bucket(CONFIG)
    await bus.publish(deliver_subject("s0", "a"), b"x")
    (message,) = await consumer.fetch(1, 0)
    bus.outage = outage
    assert not bus.connected
    calls = (
        lambda: bus.publish(deliver_subject("s0", "b"), b"x"),
        lambda: bus.consumer(DELIVERER),
        lambda: bus.bucket(CONFIG),
        lambda: bus.last(DELIVERY, "x"),
        lambda: consumer.fetch(1, 0),
        consumer.lag,
        message.ack,
        message.nak,
        message.in_progress,
        lambda: message.park("x"),
        lambda: bucket.get("a"),
        lambda: bucket.put("a", b""),
        lambda: bucket.create("a", b""),
        lambda: bucket.update("a", b"", 1),
        lambda: bucket.delete("a"),
        bucket.entries,
        lambda: bus.bodies.put("a", b""),
        lambda: bus.bodies.get("a"),
        lambda: bus.bodies.delete("a"),
        bus.bodies.keys,
    )
    for call in calls:
        with pytest.raises(type(outage)):
            await call()
    bus.outage = None
    assert bus.connected
    assert not message.settled
    await message.ack()
    assert [stored.payload for stored in bus.stored(MAIL)] == []
