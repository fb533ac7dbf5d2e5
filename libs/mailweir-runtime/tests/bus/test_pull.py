"""Pull loops over the bus in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from mailweir_runtime.bus import pull as pull_module
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable, Message, TryLater
from mailweir_runtime.bus.pull import pull, pull_batches, retry_delay
from mailweir_runtime.bus.topology import (
    DELIVERER,
    JUDGED,
    MAIL,
    PARKED,
    ConsumerSpec,
    deliver_subject,
    judged_subject,
)

SPEC = ConsumerSpec("probe", JUDGED, "mailweir.*.judged.v1.>", ack_wait_seconds=0.3, max_deliver=3)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_module, "RETRY_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(pull_module, "RETRY_MOST_SECONDS", 0.05)
    monkeypatch.setattr(pull_module, "OUTAGE_FIRST_SECONDS", 0.01)


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


class Handler:
    """Notes what it is given, and fails where a test says so."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, int]] = []
        self.batches: list[int] = []
        self.running = 0
        self.most_running = 0
        self.pause = 0.0
        self.failures: dict[bytes, Exception] = {}

    async def one(self, message: Message) -> None:
        self.seen.append((message.payload, message.attempt))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.pause)
            if message.payload in self.failures:
                raise self.failures[message.payload]
        finally:
            self.running -= 1

    async def batch(self, messages: Sequence[Message]) -> None:
        self.batches.append(len(messages))
        for message in messages:
            await self.one(message)


@pytest.fixture
def handler() -> Handler:
    return Handler()


@asynccontextmanager
async def pulling(
    bus: MemoryBus, handler: Handler, spec: ConsumerSpec = SPEC, *, concurrency: int = 4
) -> AsyncIterator[asyncio.Event]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pull(bus, spec, handler.one, concurrency=concurrency, stopping=stopping))
        yield stopping
        stopping.set()


@asynccontextmanager
async def pulling_batches(
    bus: MemoryBus, handler: Handler, *, most: int = 100, pause_seconds: float = 0.0
) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            pull_batches(
                bus, SPEC, handler.batch,
                most=most, stopping=stopping, pause_seconds=pause_seconds,
            )
        )  # fmt: skip
        yield
        stopping.set()


async def fill(bus: MemoryBus, *payloads: bytes) -> None:
    for payload in payloads:
        await bus.publish(judged_subject("s0", payload.decode()), payload)


async def lag_is(bus: MemoryBus, wanted: int, spec: ConsumerSpec = SPEC) -> None:
    consumer = await bus.consumer(spec)
    async with asyncio.timeout(10):
        while await consumer.lag() != wanted:
            await asyncio.sleep(0.005)


def handled(bus: MemoryBus, result: str) -> float:
    value: float = bus.metrics.handled.labels("probe", result)._value.get()
    return value


async def test_a_normal_return_acks(bus: MemoryBus, handler: Handler) -> None:
    await fill(bus, b"a", b"b", b"c")
    async with pulling(bus, handler):
        await lag_is(bus, 0)
    assert sorted(handler.seen) == [(b"a", 1), (b"b", 1), (b"c", 1)]
    assert handled(bus, "acked") == 3


async def test_no_more_at_once_than_workers(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.02
    await fill(bus, *(b"%d" % number for number in range(12)))
    async with pulling(bus, handler, concurrency=3):
        await lag_is(bus, 0)
    assert handler.most_running == 3
    assert len(handler.seen) == 12


async def test_only_free_workers_are_fetched_for(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.2
    await fill(bus, *(b"%d" % number for number in range(10)))
    async with pulling(bus, handler, concurrency=2):
        await asyncio.sleep(0.1)
        consumer = await bus.consumer(SPEC)
        rest = await consumer.fetch(100, 0)
        assert len(rest) == 8  # nobody holds what nobody works on
        for message in rest:
            await message.ack()


async def test_an_exception_gives_back_then_parks(bus: MemoryBus, handler: Handler) -> None:
    handler.failures[b"bad"] = ValueError("cannot read")
    await fill(bus, b"bad", b"good")
    async with pulling(bus, handler):
        await lag_is(bus, 0)
    assert [seen for seen in handler.seen if seen[0] == b"bad"] == [
        (b"bad", 1),
        (b"bad", 2),
        (b"bad", 3),
    ]
    (parked,) = bus.stored(PARKED)
    assert parked.payload == b"bad"
    assert dict(parked.headers)["Mailweir-Parked-Attempts"] == "3"
    assert "cannot read" in dict(parked.headers)["Mailweir-Parked-Reason"]
    assert (handled(bus, "failed"), handled(bus, "parked"), handled(bus, "acked")) == (2, 1, 1)
    assert bus.metrics.parked.labels("probe")._value.get() == 1


@pytest.mark.parametrize("outage", [TryLater("database"), BusUnavailable("bus")])
async def test_an_outage_never_parks(bus: MemoryBus, handler: Handler, outage: Exception) -> None:
    handler.failures[b"a"] = outage
    await fill(bus, b"a")
    async with pulling(bus, handler):
        async with asyncio.timeout(10):
            while len(handler.seen) < 5:
                await asyncio.sleep(0.005)
        handler.failures.clear()
        await lag_is(bus, 0)
    assert bus.stored(PARKED) == []


async def test_a_handler_may_settle_by_itself(bus: MemoryBus) -> None:
    attempts: list[int] = []

    async def settle(message: Message) -> None:
        attempts.append(message.attempt)
        await (message.nak(0.01) if message.attempt < 3 else message.ack_sync())

    await bus.publish(deliver_subject("s0", "a"), b"x")
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pull(bus, DELIVERER, settle, concurrency=1, stopping=stopping))
        await lag_is(bus, 0, DELIVERER)
        stopping.set()
    assert attempts == [1, 2, 3]
    assert bus.stored(MAIL) == []


async def test_without_a_limit_nothing_is_parked(bus: MemoryBus, handler: Handler) -> None:
    handler.failures[b"x"] = ValueError("again")
    await bus.publish(deliver_subject("s0", "a"), b"x")
    async with pulling(bus, handler, DELIVERER):
        async with asyncio.timeout(10):
            while len(handler.seen) < 4:
                await asyncio.sleep(0.005)
        handler.failures.clear()
        await lag_is(bus, 0, DELIVERER)
    assert bus.stored(PARKED) == []


async def test_a_long_handler_keeps_its_message(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.8  # almost three times the ack wait
    await fill(bus, b"a")
    async with pulling(bus, handler):
        await lag_is(bus, 0)
    assert handler.seen == [(b"a", 1)]


async def test_stopping_waits_for_what_is_in_flight(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.15
    await fill(bus, b"a")
    async with pulling(bus, handler) as stopping:
        async with asyncio.timeout(2):
            while not handler.running:
                await asyncio.sleep(0.005)
        await fill(bus, b"late")
        stopping.set()
    assert handler.seen in ([(b"a", 1)], [(b"a", 1), (b"late", 1)])
    assert handled(bus, "acked") == len(handler.seen)


async def test_stopping_ends_an_idle_loop_at_once(bus: MemoryBus, handler: Handler) -> None:
    loop = asyncio.get_running_loop()
    async with pulling(bus, handler):
        await asyncio.sleep(0.05)
        started = loop.time()
    assert loop.time() - started < 1.0


async def test_an_outage_of_the_bus_is_waited_for(bus: MemoryBus, handler: Handler) -> None:
    async with pulling(bus, handler):
        bus.outage = BusUnavailable("away")
        await asyncio.sleep(0.1)
        bus.outage = None
        await fill(bus, b"a")
        await lag_is(bus, 0)
    assert handler.seen == [(b"a", 1)]
    assert bus.metrics.fetch_failures.labels("probe")._value.get() > 0


async def test_an_ack_that_is_lost_brings_the_message_again(
    bus: MemoryBus, handler: Handler
) -> None:
    handler.pause = 0.05
    await fill(bus, b"a")
    async with pulling(bus, handler):
        async with asyncio.timeout(2):
            while not handler.running:
                await asyncio.sleep(0.005)
        bus.outage = BusUnavailable("away")
        await asyncio.sleep(0.1)
        bus.outage = None
        await lag_is(bus, 0)
    assert handler.seen == [(b"a", 1), (b"a", 2)]


async def test_a_batch_is_acked_whole(bus: MemoryBus, handler: Handler) -> None:
    await fill(bus, *(b"%d" % number for number in range(10)))
    async with pulling_batches(bus, handler, most=4):
        await lag_is(bus, 0)
    assert handler.batches == [4, 4, 2]
    assert handled(bus, "acked") == 10


async def test_what_comes_in_the_pause_is_one_batch(bus: MemoryBus, handler: Handler) -> None:
    async with pulling_batches(bus, handler, pause_seconds=0.3):
        await fill(bus, b"first")
        await lag_is(bus, 0)  # not kept waiting
        for number in range(6):
            await fill(bus, b"%d" % number)
            await asyncio.sleep(0.01)
        assert handler.batches == [1]
        await lag_is(bus, 0)
    assert handler.batches == [1, 6]


async def test_a_full_batch_is_followed_at_once(bus: MemoryBus, handler: Handler) -> None:
    await fill(bus, *(b"%d" % number for number in range(9)))
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with pulling_batches(bus, handler, most=4, pause_seconds=30.0):
        await lag_is(bus, 0)
    assert handler.batches == [4, 4, 1]
    assert loop.time() - started < 5.0


async def test_stopping_ends_the_pause_at_once(bus: MemoryBus, handler: Handler) -> None:
    loop = asyncio.get_running_loop()
    async with pulling_batches(bus, handler, pause_seconds=30.0):
        await fill(bus, b"a")
        await lag_is(bus, 0)
        started = loop.time()
    assert loop.time() - started < 1.0


async def test_a_lost_ack_ends_the_acks_of_its_batch(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.03
    await fill(bus, b"a", b"b", b"c")
    async with pulling_batches(bus, handler):
        async with asyncio.timeout(2):
            while not handler.running:
                await asyncio.sleep(0.005)
        bus.outage = BusUnavailable("away")
        await asyncio.sleep(0.2)
        bus.outage = None
        await lag_is(bus, 0)
    assert handler.batches == [3, 3]


async def test_a_long_batch_keeps_its_messages(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.4  # more than the ack wait for each of the two
    await fill(bus, b"a", b"b")
    async with pulling_batches(bus, handler):
        await lag_is(bus, 0)
    assert handler.seen == [(b"a", 1), (b"b", 1)]


async def test_stopping_keeps_alive_what_is_in_flight(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.8  # almost three times the ack wait
    await fill(bus, b"a")
    async with pulling(bus, handler) as stopping:
        async with asyncio.timeout(2):
            while not handler.running:
                await asyncio.sleep(0.005)
        stopping.set()
    assert handler.seen == [(b"a", 1)]
    consumer = await bus.consumer(SPEC)
    assert await consumer.lag() == 0


async def test_a_bad_message_does_not_hold_up_its_batch(bus: MemoryBus, handler: Handler) -> None:
    handler.failures[b"bad"] = ValueError("poison")
    await fill(bus, b"a", b"bad", b"b")
    async with pulling_batches(bus, handler):
        await lag_is(bus, 0)
    assert [stored.payload for stored in bus.stored(PARKED)] == [b"bad"]
    assert handled(bus, "acked") == 2
    assert handled(bus, "parked") == 1


async def test_the_lag_is_shown(bus: MemoryBus, handler: Handler) -> None:
    handler.pause = 0.2
    await fill(bus, b"a", b"b", b"c")
    async with pulling(bus, handler, concurrency=1):
        await asyncio.sleep(0.05)
        assert bus.metrics.lag.labels("probe")._value.get() == 3


def test_delays_double_up_to_a_limit_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_module, "RETRY_FIRST_SECONDS", 1.0)
    monkeypatch.setattr(pull_module, "RETRY_MOST_SECONDS", 300.0)
    assert [retry_delay(attempt, 0.5) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 8.0]
    assert retry_delay(1000, 0.5) == 300.0
    assert retry_delay(1, 0.0) == 0.75
    assert retry_delay(1, 0.999) < 1.25
