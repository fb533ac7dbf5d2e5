"""Keeping: one contract for the keeper on the bus and the one in memory, and what only the bus can do."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from mailweir.events.v1 import events_pb2
from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.adapters.disk import OwnDisk
from mailweir_ingress.adapters.keeper import MAX_NOTES, BusKeeper, MemoryKeeper
from mailweir_ingress.checks import ABSENT
from mailweir_ingress.metrics import Metrics, declare
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.ports import Keeper, NotKept, Record, RecordKind, Refused
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusError, BusFull, BusUnavailable, PubAck
from mailweir_runtime.bus.topology import INLINE_BODY_BYTES, JUDGED, MAIL

SESSION = Session("S", Listener.MX, "192.0.2.9")
ENVELOPE = Envelope("S-1", SESSION, "anna@example.net", ("bob@example.com",), 1.0)
RECORD = Record(
    kind=RecordKind.MESSAGE,
    envelope=ENVELOPE,
    decision=Decision(Action.ACCEPT, Reason.CLEAN, Reply(250, "2.0.0", "ok")),
    reply="250 2.0.0 ok [S-1]",
    judged_at=2.0,
    config_version="v.3",
    bytes=5,
    verdict=ContentVerdict(Status.OK, Action.ACCEPT, Reason.CLEAN, 1.5),
    checks=(*ABSENT, Outcome("scoring", Status.OK, seconds=0.5)),
)


def on_bus() -> tuple[BusKeeper, MemoryBus, Metrics]:
    """Return a keeper, its bus, and its metrics."""
    bus, metrics = MemoryBus(), declare(CollectorRegistry())
    return BusKeeper(bus, "s7", "1.2.3", metrics), bus, metrics


def judged(bus: MemoryBus) -> list[events_pb2.Judged]:
    """Return the records on the bus."""
    return [events_pb2.Judged.FromString(m.payload) for m in bus.stored(JUDGED)]


def dropped(metrics: Metrics) -> float:
    """Return how many records were dropped."""
    return metrics.events_dropped._value.get()


async def test_nothing_is_stored_on_a_disk_without_room() -> None:
    bus, metrics = MemoryBus(), declare(CollectorRegistry())
    keeper = BusKeeper(bus, "s7", "1.2.3", metrics, OwnDisk(Path("/"), 2**62))
    with pytest.raises(NotKept, match="disk") as caught:
        await keeper.keep(RECORD, b"hello")
    assert caught.value.full
    assert bus.stored(MAIL) == []


@pytest.mark.parametrize("memory", [True, False])
async def test_the_contract(memory: bool) -> None:
    bus_keeper, bus, _ = on_bus()
    keeper: Keeper = MemoryKeeper() if memory else bus_keeper

    def kept() -> int:
        return len(keeper.kept) if isinstance(keeper, MemoryKeeper) else len(bus.stored(MAIL))

    await keeper.keep(RECORD, b"hello")
    await keeper.keep(RECORD, b"hello")
    assert kept() == 1  # the same reference once
    await keeper.keep(replace(RECORD, envelope=replace(ENVELOPE, ref="S-2")), b"hello")
    assert kept() == 2
    if isinstance(keeper, MemoryKeeper):
        keeper.outage = NotKept("away")
    else:
        bus.outage = BusUnavailable("away")
    with pytest.raises(NotKept, match="away"):
        await keeper.keep(replace(RECORD, envelope=replace(ENVELOPE, ref="S-3")), b"hello")
    assert kept() == 2
    keeper.note(RECORD)  # never raises


async def test_mail_and_record_are_published_under_their_ids() -> None:
    keeper, bus, _ = on_bus()
    await keeper.keep(RECORD, b"hello")
    (mail,), (record,) = bus.stored(MAIL), bus.stored(JUDGED)
    assert mail.subject == "mailweir.s7.mail.deliver.v1.S-1"
    assert record.subject == "mailweir.s7.judged.v1.S-1"
    content = events_pb2.QueuedMail.FromString(mail.payload)
    assert (content.content, content.action, content.score) == (b"hello", "accept", 1.5)
    told = events_pb2.Judged.FromString(record.payload)
    assert (told.ref, told.kind, told.bytes) == ("S-1", events_pb2.JUDGED_KIND_MESSAGE, 5)
    assert (told.version, told.config_version) == ("1.2.3", "v.3")
    assert [check.check for check in told.checks] == [
        "reputation",
        "greylist",
        "ratelimit",
        "scoring",
    ]


async def test_held_mail_goes_another_way() -> None:
    keeper, bus, _ = on_bus()
    decision = replace(RECORD.decision, action=Action.HOLD, reason=Reason.SPAM)
    await keeper.keep(replace(RECORD, decision=decision), b"hello")
    (mail,) = bus.stored(MAIL)
    assert mail.subject == "mailweir.s7.mail.hold.v1.S-1"


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_body_over_the_limit_is_stored_beside(extra: int) -> None:
    keeper, bus, _ = on_bus()
    content = b"x" * (INLINE_BODY_BYTES + extra)
    await keeper.keep(RECORD, content)
    mail = events_pb2.QueuedMail.FromString(bus.stored(MAIL)[0].payload)
    assert mail.HasField("body") is bool(extra)
    assert (await bus.bodies.get("mail/S-1")) == (content if extra else None)
    assert mail.content == (b"" if extra else content)


@pytest.mark.parametrize(
    ("error", "full"), [(BusUnavailable("away"), False), (BusFull("no room"), True)]
)
async def test_why_a_message_was_not_kept(error: BusError, full: bool) -> None:
    keeper, bus, _ = on_bus()
    bus.outage = error
    for content in (b"hello", b"x" * (INLINE_BODY_BYTES + 1)):
        with pytest.raises(NotKept) as found:
            await keeper.keep(RECORD, content)
        assert found.value.full is full
        assert str(error) in str(found.value)


async def test_what_is_no_failure_of_the_bus_is_not_taken_for_one() -> None:
    class Broken(MemoryBus):
        async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
            raise TypeError(subject)

    keeper = BusKeeper(Broken(), "s7", "1", declare(CollectorRegistry()))
    with pytest.raises(ExceptionGroup) as found:
        await keeper.keep(RECORD, b"hello")
    assert found.group_contains(TypeError)


async def test_notes_are_written_in_the_background() -> None:
    keeper, bus, metrics = on_bus()
    refused = Refused("<x@y>\udcff", Action.REJECT, Reason.RELAY_DENIED, "550 5.7.1 no")
    note = replace(
        RECORD,
        kind=RecordKind.TRANSACTION,
        decision=replace(RECORD.decision, action=Action.REJECT, detail="why\udcff"),
        refused=(refused,),
        verdict=None,
    )
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(keeper.write_notes())
        for number in range(100):
            keeper.note(replace(note, envelope=replace(ENVELOPE, ref=f"S-{number}")))
        async with asyncio.timeout(5):
            while len(bus.stored(JUDGED)) < 100:
                await asyncio.sleep(0.001)
        writer.cancel()
    first = judged(bus)[0]
    assert first.kind == events_pb2.JUDGED_KIND_TRANSACTION
    assert first.refused[0].address == "<x@y>\\udcff"
    assert first.detail == "why\\udcff"
    assert not first.HasField("verdict")
    assert dropped(metrics) == 0


async def test_what_is_in_line_at_the_end_is_written() -> None:
    keeper, bus, _ = on_bus()
    for number in range(70):
        keeper.note(replace(RECORD, envelope=replace(ENVELOPE, ref=f"S-{number}")))
    await keeper.flush()
    assert len(judged(bus)) == 70
    await keeper.flush()


async def test_notes_that_cannot_be_written_are_counted() -> None:
    keeper, bus, metrics = on_bus()
    bus.outage = BusUnavailable("away")
    keeper.note(RECORD)
    await keeper.flush()
    assert dropped(metrics) == 1


async def test_the_line_of_notes_is_bounded() -> None:
    keeper, _, metrics = on_bus()
    for _ in range(MAX_NOTES + 3):
        keeper.note(RECORD)
    assert dropped(metrics) == 3


async def test_a_deferral_does_not_hide_behind_the_record_of_a_failed_try() -> None:
    keeper, bus, _ = on_bus()
    await keeper.keep(RECORD, b"hello")
    deferred = replace(RECORD.decision, action=Action.DEFER, reason=Reason.STORE_UNAVAILABLE)
    keeper.note(replace(RECORD, decision=deferred))
    await keeper.flush()
    assert [record.action for record in judged(bus)] == ["accept", "defer"]
