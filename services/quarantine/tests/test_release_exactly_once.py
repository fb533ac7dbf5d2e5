"""A release reaches the next hop exactly once, wherever the process dies.

The process dies before or after each use of an adapter; then a new one starts over the same store and
streams. Delivery may have worked between death and start, or not; the broker's window may have passed, or
not. Delivery is played by its contract: at the first hand-out it delivers without looking anything up.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import product

import pytest
from prometheus_client import CollectorRegistry

from mailweir.events.v1 import events_pb2
from mailweir_core.clock import ManualClock
from mailweir_core.decision import State
from mailweir_quarantine.adapters.events import mail_from, progress_from
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.releases import Releases
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusFull, BusUnavailable
from mailweir_runtime.bus.topology import DELIVERER, DELIVERY, MAIL, PARKED, progress_subject
from mailweir_runtime.sql import SqlUnavailable
from mailweir_testkit.events import held_mail, progress, ref_of

HOURS = 3600.0
MOST_STEPS = 40


class Crash(BaseException):
    """The process is gone: nothing of it runs on."""


@dataclass
class Faults:
    """Dies at the n-th step; a step is the moment before or after a use of an adapter."""

    at: int
    taken: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.taken.append(name)
        if len(self.taken) == self.at:
            raise Crash(name)


class Mortal:
    """An adapter whose every use is a step."""

    def __init__(self, inner: object, faults: Faults, name: str) -> None:
        self._inner, self._faults, self._name = inner, faults, name

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if name == "bodies":
            return Mortal(found, self._faults, "bodies")
        if not callable(found):
            return found

        async def use(*args: object, **kwargs: object) -> object:
            self._faults.step(f"before {self._name}.{name}")
            result = await found(*args, **kwargs)
            self._faults.step(f"after {self._name}.{name}")
            return result

        return use


class Delivery:
    """Delivery by its contract: progress before ack; a first hand-out is not looked up."""

    def __init__(self, bus: MemoryBus) -> None:
        self.delivered: list[str] = []
        self._bus = bus

    async def work(self) -> None:
        consumer = await self._bus.consumer(DELIVERER)
        while messages := await consumer.fetch(100, 0.0):
            for message in messages:
                mail = events_pb2.QueuedMail.FromString(message.payload)
                ref = mail.envelope.ref
                content = await self._bus.bodies.get(mail.body.key)
                assert content == ref.encode(), "the body is there and whole"
                self.delivered.append(ref)
                event = progress(ref, release=mail.release)
                await self._bus.publish(progress_subject("s0", ref), event.SerializeToString())
                await message.ack()


def releases_over(store: object, bus: object, clock: ManualClock) -> Releases:
    return Releases(store, bus, QuarantineMetrics(CollectorRegistry()), clock)  # type: ignore[arg-type]


async def held_message(store: RecordStore, bus: MemoryBus, number: int, clock: ManualClock) -> str:
    ref = ref_of(number)
    arrived = mail_from(held_mail(ref, ref.encode()).SerializeToString())
    body = await bus.bodies.put(f"held/{ref}", arrived.content)
    await store.hold([arrived.held(body, "s0")], clock.now())
    return ref


async def dies_at(step: int, work: Callable[[Faults], Awaitable[object]]) -> bool:
    """Run work in a process that dies at a step; say whether it lived."""
    try:
        await work(Faults(step))
    except Crash:
        return False
    return True


@pytest.mark.parametrize("delivery_works_meanwhile", [False, True])
@pytest.mark.parametrize("away_seconds", [1.0, 2 * HOURS])
async def test_dying_anywhere_in_a_release(
    store: RecordStore, clock: ManualClock, delivery_works_meanwhile: bool, away_seconds: float
) -> None:
    bus = MemoryBus(clock)
    delivery = Delivery(bus)
    outcomes = []
    for step in range(1, MOST_STEPS):
        ref = await held_message(store, bus, step, clock)

        async def release(faults: Faults, ref: str = ref) -> None:
            mortal = releases_over(
                Mortal(store, faults, "store"), Mortal(bus, faults, "bus"), clock
            )
            await mortal.release([ref], "test")

        lived = await dies_at(step, release)
        if delivery_works_meanwhile:
            await delivery.work()
        clock.advance(away_seconds)
        again = releases_over(store, bus, clock)
        await again.work_off()
        await delivery.work()
        outcomes.append(delivery.delivered.count(ref))
        # whoever got no answer asks again
        [result] = await again.release([ref], "test")
        assert result.done
        await again.work_off()
        await delivery.work()
        assert delivery.delivered.count(ref) == 1, f"dying at step {step}"
        assert await store.outbox(10) == []
        if lived:
            break
    assert outcomes[0] == 0  # before anything was done
    assert outcomes[-1] == 1
    assert (
        sorted(outcomes) == outcomes
    )  # once the transaction is through, the start finishes it alone
    assert len(outcomes) >= 8


@pytest.mark.parametrize("delivery_works_meanwhile", [False, True])
async def test_dying_again_while_the_outbox_is_worked_off(
    store: RecordStore, clock: ManualClock, delivery_works_meanwhile: bool
) -> None:
    bus = MemoryBus(clock)
    delivery = Delivery(bus)
    for number, (first, second) in enumerate(product((4, 5, 6), range(1, 14))):
        ref = await held_message(store, bus, number, clock)

        async def release(faults: Faults, ref: str = ref) -> None:
            mortal = releases_over(
                Mortal(store, faults, "store"), Mortal(bus, faults, "bus"), clock
            )
            await mortal.release([ref], "test")

        async def work_off(faults: Faults) -> None:
            mortal = releases_over(
                Mortal(store, faults, "store"), Mortal(bus, faults, "bus"), clock
            )
            await mortal.work_off()

        assert not await dies_at(first, release)
        clock.advance(HOURS)
        await dies_at(second, work_off)
        if delivery_works_meanwhile:
            await delivery.work()
        clock.advance(HOURS)
        await releases_over(store, bus, clock).work_off()
        await delivery.work()
        assert delivery.delivered.count(ref) == 1, f"dying at {first}, then at {second}"


async def test_two_processes_work_one_outbox_off(store: RecordStore, clock: ManualClock) -> None:
    bus = MemoryBus(clock)
    delivery = Delivery(bus)
    bus.outage = None
    refs = [await held_message(store, bus, n, clock) for n in range(5)]
    one, other = (releases_over(store, bus, clock) for _ in range(2))
    bus.outage = BusUnavailable("away")
    await one.release(refs, "test")
    bus.outage = None
    # both saw the same entries before either published
    waiting = await store.outbox(10)
    for process in (one, other):
        for outgoing in waiting:
            await process._publish(outgoing)
    await delivery.work()
    assert sorted(delivery.delivered) == sorted(refs)


@pytest.mark.parametrize("outage", [BusUnavailable("away"), BusFull("disk full")])
async def test_a_release_counts_although_the_broker_is_away(
    store: RecordStore, clock: ManualClock, outage: Exception
) -> None:
    bus = MemoryBus(clock)
    delivery = Delivery(bus)
    ref = await held_message(store, bus, 1, clock)
    releases = releases_over(store, bus, clock)
    bus.outage = outage  # type: ignore[assignment]
    [result] = await releases.release([ref], "test")
    assert (result.done, result.state) == (True, State.RELEASED)
    assert len(await store.outbox(10)) == 1
    with pytest.raises(type(outage)):
        await releases.work_off()
    bus.outage = None
    assert await releases.work_off() == 1
    await delivery.work()
    assert delivery.delivered == [ref]


async def test_without_the_database_nothing_is_done(world: object, clock: ManualClock) -> None:
    store, bus = world.store, world.bus  # type: ignore[attr-defined]
    ref = await held_message(store, bus, 1, clock)
    store.outage = SqlUnavailable("down")
    with pytest.raises(SqlUnavailable):
        await world.releases.release([ref], "test")  # type: ignore[attr-defined]
    store.outage = None
    assert bus.stored(MAIL) == []
    assert (await store.get(ref)).summary.state is State.HELD
    assert world.value("sql_errors_total", operation="command") == 1  # type: ignore[attr-defined]


async def test_progress_that_cannot_be_read_is_no_proof(
    store: RecordStore, clock: ManualClock
) -> None:
    bus = MemoryBus(clock)
    ref = await held_message(store, bus, 1, clock)
    await bus.publish(progress_subject("s0", ref), b"\xff\xff")
    bus.outage = BusUnavailable("away")
    releases = releases_over(store, bus, clock)
    await releases.release([ref], "test")
    bus.outage = None
    await releases.work_off()
    delivery = Delivery(bus)
    await delivery.work()
    assert delivery.delivered == [ref]


async def test_after_delivery_the_body_goes_and_the_record_stays(
    store: RecordStore, clock: ManualClock
) -> None:
    bus = MemoryBus(clock)
    delivery = Delivery(bus)
    ref = await held_message(store, bus, 1, clock)
    releases = releases_over(store, bus, clock)
    await releases.release([ref], "test")
    await delivery.work()
    event = await bus.last(DELIVERY, progress_subject("s0", ref))
    assert event is not None
    await store.track([progress_from(event)], clock.now())
    assert await releases.remove_bodies(clock.now() - 300) == 0
    assert await bus.bodies.keys() == [f"held/{ref}"]
    clock.advance(301)
    assert await releases.remove_bodies(clock.now() - 300) == 1
    assert await bus.bodies.keys() == []
    found = await store.get(ref)
    assert found is not None
    assert found.summary.state is State.DELIVERED
    assert bus.stored(PARKED) == []


@pytest.mark.parametrize("step", range(1, 12))
async def test_dying_anywhere_in_a_delete(
    store: RecordStore, clock: ManualClock, step: int
) -> None:
    bus = MemoryBus(clock)
    ref = await held_message(store, bus, 1, clock)

    async def delete(faults: Faults) -> None:
        mortal = releases_over(Mortal(store, faults, "store"), Mortal(bus, faults, "bus"), clock)
        await mortal.delete([ref], "test")

    await dies_at(step, delete)
    again = releases_over(store, bus, clock)
    [result] = await again.delete([ref], "test")
    assert (result.done, result.state) == (True, State.DELETED)
    await again.remove_bodies(clock.now())
    assert await bus.bodies.keys() == []
    [released] = await again.release([ref], "test")
    assert not released.done
