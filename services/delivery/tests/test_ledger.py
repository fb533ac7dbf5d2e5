"""Progress over the bus: written for certain, read back, told apart."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_delivery.adapters import ledger as module
from mailweir_delivery.adapters.ledger import Ledger
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.progress import Progress, Recipient, State
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusError, BusFull, BusUnavailable
from mailweir_runtime.bus.topology import DELIVERY, deliver_subject
from mailweir_testkit.events import ref_of

REF = ref_of(1)


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus(ManualClock())


@pytest.fixture
def ledger(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(module, "RETRY_FIRST_SECONDS", 0.001)
    return Ledger(bus, Metrics(CollectorRegistry(), ManualClock()))


def progress(attempts: int, state: State = State.DEFERRED) -> Progress:
    return Progress(REF, 0, (Recipient("a@b.example", state, attempt=attempts),), attempts)


async def test_the_newest_word_is_read(ledger: Ledger) -> None:
    assert await ledger.read("s0", REF) is None
    await ledger.write("s0", progress(1))
    await ledger.write("s0", progress(2))
    assert await ledger.read("s0", REF) == progress(2)
    assert await ledger.read("s1", REF) is None


async def test_words_on_one_attempt_are_told_apart(bus: MemoryBus, ledger: Ledger) -> None:
    await ledger.write("s0", progress(1, State.WAITING), part=1)
    await ledger.write("s0", progress(1, State.DEFERRED), part=2)
    await ledger.write("s0", progress(1, State.DELIVERED))
    assert await ledger.read("s0", REF) == progress(1, State.DELIVERED)
    await ledger.write("s0", progress(1, State.WAITING))  # the same word again is stored once
    assert await ledger.read("s0", REF) == progress(1, State.DELIVERED)
    assert len(bus.stored(DELIVERY)) == 1


@pytest.mark.parametrize("outage", [BusUnavailable("away"), BusFull("no space left")])
async def test_it_is_written_however_long_the_broker_is_away(
    bus: MemoryBus, ledger: Ledger, outage: BusError
) -> None:
    bus.outage = outage
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(ledger.write("s0", progress(1)))
        await asyncio.sleep(0.02)
        assert not writing.done()
        bus.outage = None
    assert await ledger.read("s0", REF) == progress(1)


async def test_a_message_is_known_while_it_waits_and_once_it_was_tried(
    bus: MemoryBus, ledger: Ledger
) -> None:
    assert not await ledger.is_known("s0", REF)
    await ledger.write("s0", progress(1))
    assert await ledger.is_known("s0", REF)
    other = ref_of(2)
    await bus.publish(deliver_subject("s0", other), b"x")
    assert await ledger.is_known("s0", other)
