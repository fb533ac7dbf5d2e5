"""What the warden does with judged mail, however often a record comes."""

from dataclasses import replace
from typing import Any

import pytest

from mailweir.events.v1 import events_pb2
from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.clock import ManualClock
from mailweir_ratelimit.adapters.judged import Unreadable, verdict_from
from mailweir_ratelimit.blocking import AccountBlocker
from mailweir_ratelimit.policy.manual import BanRefused
from mailweir_ratelimit.warden import BATCH, Warden
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable, Message, TryLater
from mailweir_runtime.bus.topology import PARKED, WARDEN, judged_subject
from mailweir_testkit.events import envelope, judged, ref_of

Config = Any  # tests/conftest.py
World = Any


class Bans:
    """Notes what is banned."""

    def __init__(self) -> None:
        self.made: list[Ban] = []
        self.failure: Exception | None = None

    async def ban(
        self, subject: str, seconds: float, evidence: str, actor: str, close_all: bool = True, *,
        kind: OffenceKind = OffenceKind.MANUAL,
    ) -> Ban:  # fmt: skip
        if self.failure is not None:
            raise self.failure
        ban = Ban(subject, kind, evidence, 0.0, seconds, close_all=close_all, by=actor)
        self.made.append(ban)
        return ban


class Court:
    """A warden with the stream that it reads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bus = MemoryBus(world.clock)
        self.bans = Bans()
        blocker = AccountBlocker(world.quota_cells, self.bans, world.notifier, world.metrics)
        self.warden = Warden(blocker, world.counters, world.rules, world.clock, world.metrics)

    async def put(self, event: events_pb2.Judged | bytes, ref: str = "") -> None:
        payload = event if isinstance(event, bytes) else event.SerializeToString()
        await self.bus.publish(judged_subject("s0", ref or ref_of(1)), payload)

    async def fetch(self) -> list[Message]:
        consumer = await self.bus.consumer(WARDEN)
        return list(await consumer.fetch(BATCH, 0.1))

    async def work(self) -> None:
        await self.warden(await self.fetch())


@pytest.fixture
def court(world: World) -> Court:
    return Court(world)


def stolen(number: int, clock: ManualClock, login: str = "Ann@example.com") -> events_pb2.Judged:
    ref = ref_of(number)
    own = envelope(ref, sender="ann@example.com", recipients=["x@example.net"])
    own.session.auth_user, own.session.listener = login, "submission"
    event = judged(ref, action="reject", reason="outbound-spam", score=999.0, of=own)
    event.judged_at = clock.now()
    return event


async def test_spam_of_an_account_blocks_it_and_tells_the_postmaster(court: Court) -> None:
    await court.put(stolen(1, court.world.clock))
    await court.work()
    (ban,) = court.bans.made
    assert (ban.subject, ban.kind, ban.by) == ("account:ann@example.com", "score", "outbound")
    assert ban.evidence == f"sent mail with a score of 999, {ref_of(1)}"
    assert (ban.until, ban.close_all) == (0.0, True)  # until an admin lifts it
    (letter,) = court.world.outbox.sent.values()
    assert (letter.kind, letter.to) == ("blocked", "postmaster@example.com")
    assert court.world.sample("accounts_blocked_total") == 1


async def test_a_record_that_comes_again_blocks_nobody_again(court: Court) -> None:
    await court.put(stolen(1, court.world.clock))
    messages = await court.fetch()
    await court.warden(messages)
    await court.warden(messages)
    await court.put(stolen(1, court.world.clock))
    await court.work()
    assert len(court.bans.made) == 1
    assert len(court.world.outbox.sent) == 1


async def test_a_burst_is_told_once(court: Court) -> None:
    for number in range(1, 6):
        await court.put(stolen(number, court.world.clock), ref_of(number))
    await court.work()
    assert {ban.subject for ban in court.bans.made} == {"account:ann@example.com"}
    assert len(court.world.outbox.sent) == 1
    await court.put(stolen(6, court.world.clock, "bob@example.com"), ref_of(6))
    await court.work()
    assert len(court.world.outbox.sent) == 2


async def test_the_policy_decides_whether_and_for_how_long(court: Court, config: Config) -> None:
    config.change(outbound={"block_account": False})
    await court.put(stolen(1, court.world.clock))
    await court.work()
    assert court.bans.made == []
    config.change(outbound={"block_seconds": 3600.0})
    await court.put(stolen(2, court.world.clock))
    await court.work()
    assert court.bans.made[0].until == 3600.0


async def test_old_spam_blocks_nobody(court: Court) -> None:
    await court.put(stolen(1, court.world.clock))
    court.world.clock.advance(90_000)
    await court.work()
    assert court.bans.made == []


async def test_what_is_away_is_tried_again(court: Court) -> None:
    await court.put(stolen(1, court.world.clock))
    messages = await court.fetch()
    court.world.quota_cells.away = "away"
    with pytest.raises(TryLater):
        await court.warden(messages)
    court.world.quota_cells.away = ""
    court.bans.failure = BusUnavailable("away")
    with pytest.raises(BusUnavailable):
        await court.warden(messages)
    court.bans.failure = None
    court.world.outbox.away = True
    with pytest.raises(BusUnavailable):
        await court.warden(messages)
    court.world.outbox.away = False
    await court.warden(messages)
    assert {ban.subject for ban in court.bans.made} == {"account:ann@example.com"}
    assert len(court.world.outbox.sent) == 1


async def test_a_login_that_cannot_be_banned_does_not_stop_the_stream(court: Court) -> None:
    court.bans.failure = BanRefused("the login is too long")
    await court.put(stolen(1, court.world.clock))
    await court.work()
    assert court.world.outbox.sent == {}


async def test_inbound_mail_moves_the_buckets_of_its_client(court: Court) -> None:
    for number in range(1, 21):
        event = judged(ref_of(number))
        event.judged_at = court.world.clock.now()
        await court.put(event, ref_of(number))
    messages = await court.fetch()
    await court.warden(messages)
    states = await court.world.reporter.buckets("192.0.2.1", court.world.rules.current)
    assert {s.limit: s.capacity for s in states} == {"connections": 89.0, "recipients": 74.0}
    assert court.world.sample("judged_records_total") == 20


async def test_a_record_handed_out_before_moves_nothing(court: Court) -> None:
    event = judged(ref_of(1))
    event.judged_at = court.world.clock.now()
    await court.put(event)
    (message,) = await court.fetch()
    await message.nak()
    (again,) = await court.fetch()
    assert not again.fresh
    await court.warden([again])
    assert court.world.rates.values == {}


async def test_what_cannot_be_read_is_put_aside(court: Court) -> None:
    await court.put(b"\xff\xff\xff")
    (message,) = await court.fetch()
    with pytest.raises(Unreadable):
        verdict_from(message)
    await court.warden([message])
    assert message.settled
    assert len(court.bus.stored(PARKED)) == 1
    assert court.world.sample("unreadable_records_total") == 1


async def test_sessions_and_transactions_are_passed_over(court: Court) -> None:
    event = stolen(1, court.world.clock)
    event.kind = events_pb2.JUDGED_KIND_TRANSACTION
    await court.put(event)
    (message,) = await court.fetch()
    assert verdict_from(message) is None
    await court.warden([message])
    assert court.bans.made == []


async def test_a_record_is_read_as_it_was_written(court: Court) -> None:
    await court.put(stolen(1, court.world.clock))
    (message,) = await court.fetch()
    verdict = verdict_from(message)
    assert verdict is not None
    assert verdict.session.auth_user == "Ann@example.com"
    assert verdict.recipients == ("x@example.net",)
    assert verdict.fresh
    assert replace(verdict, fresh=False).score == 999.0
