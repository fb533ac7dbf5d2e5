"""From judged events to histories and correspondents, in memory and over a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.client import ClientClass
from mailweir_core.clock import Clock, ManualClock, SystemClock
from mailweir_core.ids import new_ulid
from mailweir_core.net import parse_ip, parse_network
from mailweir_policy import Policy
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics, declare_acquaintances
from mailweir_reputation.adapters.history import BusHistory
from mailweir_reputation.adapters.judged import judgement_of
from mailweir_reputation.historian import Historian
from mailweir_reputation.policy.asn import AsnTable
from mailweir_reputation.policy.history.keys import Key, Kind, client_keys, pair_key
from mailweir_reputation.policy.history.opinion import class_of_client
from mailweir_reputation.policy.history.record import Record
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable, Message
from mailweir_runtime.bus.topology import HISTORIAN, PARKED, judged_subject
from mailweir_runtime.config import static_config
from mailweir_testkit.nats import connected_bus, running_server

CLIENT: Final = "192.0.2.5"
USER: Final = "user@example.com"


def event(
    ref: str = "", *, reason: str = "spam", score: float = 12.0, ip: str = CLIENT,
    sender: str = "a@b.example", recipients: tuple[str, ...] = (USER,), action: str = "reject",
    at: float = 0.0, **more: Any,
) -> events_pb2.Judged:  # fmt: skip
    session = common_pb2.Session(id="s", listener="mx", client_ip=ip, helo="mail.b.example")
    for name in ("auth_user", "trusted", "listener"):
        if name in more:
            setattr(session, name, more.pop(name))
    verdict = scoring_pb2.ScoreResult(
        score=score,
        thresholds=scoring_pb2.Thresholds(tag=4.0, quarantine=6.0, reject=10.0),
        signals=[common_pb2.Signal(name=n, score=s, evidence=e) for n, s, e in more.pop("signals", ())],
    )  # fmt: skip
    return events_pb2.Judged(
        ref=ref or new_ulid(1.75e9) + "-1",
        kind=more.pop("kind", events_pb2.JUDGED_KIND_MESSAGE),
        envelope=common_pb2.Envelope(session=session, sender=sender, recipients=recipients),
        action=action,
        reason=reason,
        verdict=verdict,
        judged_at=at,
        **more,
    )


@dataclass
class World:
    """A historian over a bus."""

    bus: Bus
    clock: Clock
    metrics: AcquaintanceMetrics = field(
        default_factory=lambda: declare_acquaintances(CollectorRegistry())
    )
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self.store = self.new_store()
        self.historian = self.new_historian()

    def new_store(self) -> BusHistory:
        return BusHistory(self.bus, self.clock, self.metrics)

    def new_historian(self) -> Historian:
        asn = AsnTable([(parse_network("192.0.2.0/24"), 64500)])
        config = static_config(self.policy)
        return Historian(self.new_store(), asn, config, self.clock, self.metrics)

    async def judged(self, *events: events_pb2.Judged) -> None:
        for each in events:
            if not each.judged_at:
                each.judged_at = self.clock.now()
            subject = judged_subject("s0", each.ref)
            await self.bus.publish(subject, each.SerializeToString(), msg_id=f"judged-{each.ref}")

    async def take(self, most: int = 64) -> list[Message]:
        """Fetch what is there and hand it to the historian, without settling it."""
        consumer = await self.bus.consumer(HISTORIAN)
        messages = list(await consumer.fetch(most, 2.0))
        await self.historian.handle(messages)
        return messages

    async def record(self, kind: Kind, text: str, *, proven: bool = False) -> Record | None:
        (found,) = await self.new_store().read([Key(kind, text, proven).stored])
        return found

    async def messages(self, kind: Kind = Kind.IP, text: str = CLIENT) -> float:
        record = await self.record(kind, text)
        return 0.0 if record is None else round(record.messages, 2)

    async def knows(self, user: str, correspondent: str) -> bool:
        (known,) = await self.new_store().remembered([pair_key(user, correspondent)])
        return known

    def events(self, what: str) -> float:
        return float(self.metrics.events.labels(what)._value.get())


@pytest.fixture
def world() -> World:
    clock = ManualClock()
    return World(MemoryBus(clock=clock), clock)


@pytest.fixture
async def real() -> AsyncIterator[World]:
    async with running_server() as server, connected_bus(server.url) as bus:
        yield World(bus, SystemClock())


async def until(holds: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


# --- what is read of an event ---------------------------------------------------------------


def test_an_event_is_read_for_what_a_history_takes_of_it() -> None:
    judged = judgement_of(event("r", at=5.0, reason="spam").SerializeToString())
    assert (judged.ref, judged.message, judged.ours) == ("r", True, False)
    assert (judged.client_ip, judged.helo) == (CLIENT, "mail.b.example")
    assert (judged.sender, judged.recipients, judged.at) == ("a@b.example", (USER,), 5.0)
    assert (judged.score, judged.spam_from, judged.tag_from) == (12.0, 6.0, 4.0)
    assert judged.proven_domains == frozenset()
    assert not judged.allowed


def test_proof_comes_of_spf_and_signatures() -> None:
    signals = [("SPF_PASS", 0.0, "b.example ip4:192.0.2.0/24"), ("DKIM_VALID", -0.1, "List.example"),
               ("SPF_FAIL", 1.0, "c.example"), ("DKIM_VALID", 0.0, "")]  # fmt: skip
    judged = judgement_of(event(signals=signals).SerializeToString())
    assert judged.proven_domains == {"b.example", "list.example"}


def test_what_we_said_ourselves_is_left_out_of_the_score() -> None:
    signals = [("HISTORY_BAD", 2.0, ""), ("BLOCK_LISTED", 5.0, ""), ("URL_BAD", 3.0, "")]
    judged = judgement_of(event(score=10.0, signals=signals).SerializeToString())
    assert judged.score == 3.0


@pytest.mark.parametrize(
    ("more", "ours"),
    [
        ({}, False),
        ({"auth_user": "user"}, True),
        ({"trusted": True}, True),
        ({"listener": "submission"}, True),
    ],
)
def test_who_is_ours(more: dict[str, Any], ours: bool) -> None:
    assert judgement_of(event(**more).SerializeToString()).ours is ours


def test_what_an_allow_let_in_is_known() -> None:
    assert judgement_of(event(reason="exempt").SerializeToString()).allowed
    signal = common_pb2.Signal(name="ALLOW_LISTED")
    allowed = event(checks=[common_pb2.Outcome(check="reputation", signals=[signal])])
    assert judgement_of(allowed.SerializeToString()).allowed


def test_without_a_verdict_there_is_no_score() -> None:
    bare = event()
    bare.ClearField("verdict")
    judged = judgement_of(bare.SerializeToString())
    assert (judged.score, judged.spam_from, judged.tag_from) == (None, None, None)


def test_thresholds_may_be_off() -> None:
    off = event()
    off.verdict.thresholds.Clear()
    assert judgement_of(off.SerializeToString()).spam_from is None
    off.verdict.thresholds.reject = 9.0
    assert judgement_of(off.SerializeToString()).spam_from == 9.0


def test_what_is_no_event_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not a judged event"):
        judgement_of(b"\xff\xff\xff")


# --- what becomes of it ------------------------------------------------------------------------


async def test_messages_count_for_all_that_they_came_by(world: World) -> None:
    await world.judged(event(), event(reason="clean", score=0.0, action="accept"))
    await world.take()
    for kind, text in [
        (Kind.IP, CLIENT), (Kind.NET, "192.0.2.0/24"), (Kind.ASN, "64500"),
        (Kind.SENDER, "a@b.example 192.0.2.0/24"), (Kind.DOMAIN, "b.example"),
        (Kind.HELO, "mail.b.example"),
    ]:  # fmt: skip
        record = await world.record(kind, text)
        assert record is not None, text
        assert (record.messages, record.spam, record.total_score) == (2.0, 1.0, 12.0)
    assert world.events("counted") == 2


async def test_what_says_nothing_is_passed_over(world: World) -> None:
    await world.judged(event(reason="rate-limited", action="defer"))
    await world.take()
    assert await world.messages() == 0
    assert world.events("ignored") == 1


async def test_a_broken_event_is_parked_and_holds_nobody_up(world: World) -> None:
    await world.bus.publish(judged_subject("s0", "x"), b"\xff\xff\xff")
    await world.judged(event())
    await world.take()
    assert await world.messages() == 1
    assert world.events("unreadable") == 1
    assert isinstance(world.bus, MemoryBus)
    assert len(world.bus.stored(PARKED)) == 1


async def test_an_event_that_is_handed_in_again_counts_once(world: World) -> None:
    await world.judged(event(), event())
    messages = await world.take()
    await world.historian.handle(messages)
    await world.new_historian().handle(messages)
    assert await world.messages() == 2


async def test_histories_can_be_switched_off(world: World) -> None:
    world.policy = Policy.model_validate({"reputation": {"history": {"enabled": False}}})
    world.historian = world.new_historian()
    await world.judged(event(), event(auth_user="u", sender=USER, recipients=("f@b.example",),
                                      action="accept", reason="clean"))  # fmt: skip
    await world.take()
    assert await world.messages() == 0
    assert await world.knows(USER, "f@b.example")  # that is another thing


async def test_whom_our_users_write_to_is_remembered(world: World) -> None:
    letter = event(
        auth_user="user", sender="User@Example.com", recipients=("friend@b.example", "c@example.com"),
        action="accept", reason="clean", score=0.0, listener="submission",
    )  # fmt: skip
    await world.judged(letter)
    await world.take()
    assert await world.knows(USER, "Friend@B.example")
    assert not await world.knows("c@example.com", "friend@b.example")
    assert not await world.knows(USER, "c@example.com")
    assert await world.messages() == 0  # our own mail says nothing of strangers
    assert world.events("correspondence") == 1


async def test_correspondents_are_forgotten(world: World) -> None:
    await world.judged(event(auth_user="u", sender=USER, recipients=("f@b.example",),
                             action="accept", reason="clean"))  # fmt: skip
    await world.take()
    assert isinstance(world.clock, ManualClock)
    world.clock.advance(world.policy.reputation.correspondent_seconds - 1)
    assert await world.knows(USER, "f@b.example")
    world.clock.advance(2)
    assert not await world.knows(USER, "f@b.example")


async def test_bad_networks_of_ipv6_make_the_wider_ones_bad(world: World) -> None:
    rules = world.policy.reputation.history

    async def class_of(ip: str) -> ClientClass:
        address = parse_ip(ip)
        assert address is not None
        keys = client_keys(address)
        records = await world.new_store().read([key.stored for key in keys])
        return class_of_client(list(zip(keys, records, strict=True)), world.clock.now(), rules)

    for n in range(1, 5):
        assert await class_of("2001:db8:0:ff::1") is ClientClass.NONE
        await world.judged(*(event(ip=f"2001:db8:0:{n:x}::{k}") for k in range(1, 11)))
        await world.take()
    assert await class_of("2001:db8:0:ff::1") is ClientClass.BAD  # the same /56
    assert await class_of("2001:db8:0:100::1") is ClientClass.NONE
    for wide in range(1, 4):
        for n in range(4):
            net = f"2001:db8:0:{wide:x}0{n:x}"
            await world.judged(*(event(ip=f"{net}::{k}") for k in range(1, 11)))
            await world.take()
    assert await class_of("2001:db8:0:ffff::1") is ClientClass.BAD  # the same /48
    assert await class_of("2001:db8:1::1") is ClientClass.NONE


async def test_an_outage_gives_the_batch_back(world: World) -> None:
    await world.judged(event())
    consumer = await world.bus.consumer(HISTORIAN)
    messages = await consumer.fetch(64, 1.0)
    assert isinstance(world.bus, MemoryBus)
    world.bus.outage = BusUnavailable("away")
    with pytest.raises(BusUnavailable):
        await world.historian.handle(messages)
    world.bus.outage = None
    await world.historian.handle(messages)
    assert await world.messages() == 1


# --- over a real server ------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_it_follows_the_stream_and_acknowledges(real: World) -> None:
    stopping = asyncio.Event()
    await real.judged(*(event() for _ in range(150)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(real.historian.run(real.bus, stopping))
        consumer = await real.bus.consumer(HISTORIAN)

        async def done() -> bool:
            return await real.messages() >= 149.5 and await consumer.lag() == 0

        await until(done)
        stopping.set()
    assert await real.messages() == pytest.approx(150, abs=0.1)


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_a_process_that_dies_before_it_acknowledges_counts_nothing_twice(real: World) -> None:
    await real.judged(*(event() for _ in range(64)))
    messages = await real.take()
    assert len(messages) == 64
    assert await real.messages() == pytest.approx(64, abs=0.1)
    for message in messages:  # as the broker hands them out again when the ack wait is over
        await message.nak()
    stopping = asyncio.Event()
    other = real.new_historian()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(other.run(real.bus, stopping))
        consumer = await real.bus.consumer(HISTORIAN)

        async def done() -> bool:
            return await consumer.lag() == 0 and real.events("counted") >= 128

        await until(done)
        stopping.set()
    assert await real.messages() == pytest.approx(64, abs=0.1)
    assert await real.messages(Kind.DOMAIN, "b.example") == pytest.approx(64, abs=0.1)


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_two_processes_share_the_work(real: World) -> None:
    stopping = asyncio.Event()
    await real.judged(*(event(ip=f"192.0.2.{n % 4}") for n in range(200)))
    async with asyncio.TaskGroup() as tasks:
        for historian in (real.historian, real.new_historian()):
            tasks.create_task(historian.run(real.bus, stopping))

        async def done() -> bool:
            return await real.messages(Kind.NET, "192.0.2.0/24") >= 199.5

        await until(done)
        stopping.set()
    assert await real.messages(Kind.NET, "192.0.2.0/24") == pytest.approx(200, abs=0.1)
    for n in range(4):
        assert await real.messages(Kind.IP, f"192.0.2.{n}") == pytest.approx(50, abs=0.1)
