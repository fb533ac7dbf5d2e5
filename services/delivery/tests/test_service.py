"""What becomes of a message: the service over the bus in memory, time moved by hand."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir_core.clock import ManualClock
from mailweir_delivery.adapters.ledger import Ledger
from mailweir_delivery.adapters.memory import MemoryCarrier, MemoryLate, MemoryMailHosts
from mailweir_delivery.adapters.queued import read_progress, write_progress
from mailweir_delivery.attempt import Tools
from mailweir_delivery.budget import ByteBudget
from mailweir_delivery.dispatch import Dispatcher, Outside
from mailweir_delivery.lanes import Lanes
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.notice import notice_ref
from mailweir_delivery.policy.progress import Progress, Recipient, State
from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_delivery.policy.routing import Kind
from mailweir_delivery.service import IN_HAND_SECONDS, OUTAGE_SECONDS, Deliverer
from mailweir_policy import Policy
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.memory_streams import MemoryMessage, Stored
from mailweir_runtime.bus.ports import BusFull, BusUnavailable, PubAck
from mailweir_runtime.bus.topology import (
    DELIVERER,
    DELIVERY,
    MAIL,
    PARKED,
    StreamSpec,
    deliver_subject,
    progress_subject,
)
from mailweir_runtime.config import StaticConfig, static_config
from mailweir_testkit.events import envelope, ref_of

SENDER, A, B, C = "anna@example.net", "a@example.com", "b@example.com", "c@slow.example"
CONTENT = b"Subject: hello\r\n\r\nbody\r\n"
DAY = 86_400.0
GONE = Ending(Verdict.FAILED, "5.1.1", "550 5.1.1 unknown", next_hop="mx:25", remote=True)
LATER = Ending(Verdict.DEFERRED, "4.2.0", "450 4.2.0 later", next_hop="mx:25", remote=True)


class CountingBus(MemoryBus):
    """Counts look-ups of the newest message on a subject."""

    looked_up = 0
    deaf = False

    async def last(self, stream: StreamSpec, subject: str) -> bytes | None:
        self.looked_up += 1
        if self.deaf:
            raise BusUnavailable("away")
        return await super().last(stream, subject)


class Office:
    """A deliverer with everything around it."""

    def __init__(self, **delivery: Any) -> None:
        routes = [
            {"domain": "*", "next_hops": ["smtp://mx:25"]},
            {"domain": "slow.example", "next_hops": ["lmtp://slow:24"]},
        ]
        self.clock = ManualClock()
        self.bus = CountingBus(self.clock)
        self.carrier = MemoryCarrier()
        self.late = MemoryLate()
        self.stopping = asyncio.Event()
        self.config = static_config(policy({"routes": routes} | delivery))
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry, self.clock)
        carriers = dict.fromkeys(Kind, self.carrier)
        outside = Outside(carriers, MemoryMailHosts(), self.late, metrics)
        self.lanes = Lanes(self.clock, patience_seconds=0.05)
        dispatcher = Dispatcher(outside, self.lanes, self.clock)
        tools = Tools(dispatcher, Ledger(self.bus, metrics), metrics, self.clock)
        self.budget = ByteBudget(10_000_000)
        self.deliverer = Deliverer(self.bus, self, tools, self.budget, self.stopping)
        self.clock.advance(60)  # what is queued from now on was not there before the process

    @property
    def current(self) -> Any:
        return self.config.current

    async def queue(self, number: int = 1, *recipients: str, **fields: Any) -> str:
        """Put a message into the stream; returns its reference."""
        ref = ref_of(number)
        sender = fields.pop("sender", SENDER)
        of = envelope(
            ref, recipients=recipients or (A,), received_at=self.clock.now(), sender=sender
        )
        mail = events_pb2.QueuedMail(
            envelope=of, **({"content": CONTENT, "action": "accept"} | fields)
        )
        msg_id = f"{ref}.{mail.release}"
        await self.bus.publish(deliver_subject("s0", ref), mail.SerializeToString(), msg_id=msg_id)
        return ref

    async def take(self, most: int = 100) -> Sequence[MemoryMessage]:
        consumer = await self.bus.consumer(DELIVERER)
        return await consumer.fetch(most, 0)

    async def work(self) -> int:
        """Handle everything that is due; returns how much that was."""
        messages = await self.take()
        for message in messages:
            await self.deliverer.handle(message)
            assert message.settled
        return len(messages)

    async def progress(self, ref: str) -> Progress:
        payload = await self.bus.last(DELIVERY, progress_subject("s0", ref))
        assert payload is not None
        return read_progress(payload)

    def queued(self) -> list[events_pb2.QueuedMail]:
        return [events_pb2.QueuedMail.FromString(m.payload) for m in self.bus.stored(MAIL)]

    def delivered(self) -> list[tuple[str, str]]:
        return [(mail.parcel.ref, mail.recipient) for mail in self.carrier.mails]

    def value(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(f"mailweir_delivery_{name}", labels)
        assert found is not None, name
        return found


def policy(delivery: dict[str, Any]) -> Policy:
    local = [{"name": "example.com"}, {"name": "slow.example"}]
    retry = {
        "schedule_seconds": [60, 600],
        "expire_seconds": DAY,
        "null_sender_expire_seconds": 3600,
    }
    return Policy.model_validate(
        {"relay": {"domains": local}, "delivery": {"retry": retry} | delivery}
    )


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_message_is_delivered_noted_and_gone(office: Office) -> None:
    ref = await office.queue(1, A, B)
    await office.work()
    assert office.bus.looked_up == 0
    assert office.delivered() == [(ref, A), (ref, B)]
    assert office.carrier.mails[0].parcel.content == CONTENT
    assert office.queued() == []
    progress = await office.progress(ref)
    assert (progress.finished, progress.attempts, progress.release) == (True, 1, 0)
    assert [r.state for r in progress.recipients] == [State.DELIVERED] * 2
    assert office.value("recipients_total", way="smtp", result="delivered") == 2
    assert office.value("latency_seconds_count") == 1


async def test_a_deferred_message_waits_in_the_stream_for_its_time(office: Office) -> None:
    ref = await office.queue(1, A, B)
    office.carrier.answers[B] = LATER
    await office.work()
    progress = await office.progress(ref)
    wait = progress.next_attempt_at - office.clock.now()
    assert 50 < wait < 70
    assert office.value("deferred_messages") == 1
    office.clock.advance(wait - 1)
    assert await office.work() == 0
    office.clock.advance(1.1)
    del office.carrier.answers[B]
    assert await office.work() == 1
    assert office.delivered() == [(ref, A), (ref, B)]
    done = await office.progress(ref)
    assert (done.finished, done.attempts) == (True, 2)
    assert [r.attempt for r in done.recipients] == [1, 2]
    assert office.value("deferred_messages") == 0


async def test_a_hand_out_before_its_time_is_given_back_with_the_rest_of_the_delay(
    office: Office,
) -> None:
    ref = await office.queue(1)
    office.carrier.answers[A] = LATER
    (message,) = await office.take()
    await office.deliverer.handle(message)
    due = (await office.progress(ref)).next_attempt_at
    message._consumer.delay(1, 0.0)  # as a broker does that forgot the delay
    assert await office.work() == 1
    assert office.value("put_back_total", cause="early") == 1
    office.clock.advance(due - office.clock.now() - 1)
    assert await office.work() == 0
    office.clock.advance(1.1)
    assert await office.work() == 1
    assert (await office.progress(ref)).attempts == 2


class TestNotification:
    """Who is told what could not be delivered."""

    async def test_the_sender_is_told_once(self, office: Office) -> None:
        ref = await office.queue(1, A, B)
        office.carrier.answers[B] = GONE
        await office.work()
        (notice,) = office.queued()
        assert notice.envelope.sender == ""
        assert list(notice.envelope.recipients) == [SENDER]
        assert notice.notification_about == ref
        assert notice.envelope.ref == notice_ref(ref, 0, 1, office.clock.now())
        assert b"Final-Recipient: rfc822; b@example.com" in notice.content
        assert b"Subject: hello" in notice.content
        assert b"a@example.com" not in notice.content
        assert office.value("notices_total", cause="sent") == 1
        assert (await office.progress(ref)).finished

    async def test_it_goes_its_way_like_any_mail(self, office: Office) -> None:
        await office.queue(1, A, sender="boss@example.com")
        office.carrier.answers[A] = GONE
        await office.work()
        await office.work()
        (mail,) = office.carrier.mails
        assert (mail.parcel.sender, mail.recipient) == ("", "boss@example.com")
        assert office.queued() == []

    @pytest.mark.parametrize(
        ("fields", "bounce", "cause"),
        [
            ({"sender": ""}, True, "nobody_to_tell"),
            ({"notification_about": ref_of(9)}, True, "nobody_to_tell"),
            ({}, False, "switched_off"),
        ],
    )
    async def test_nobody_is_told(self, fields: dict[str, Any], bounce: bool, cause: str) -> None:
        office = Office(bounce=bounce)
        ref = await office.queue(1, A, **fields)
        office.carrier.answers[A] = GONE
        await office.work()
        assert office.queued() == []
        assert office.value("notices_total", cause=cause) == 1
        assert (await office.progress(ref)).finished

    async def test_time_runs_out(self, office: Office) -> None:
        ref = await office.queue(1, A)
        office.carrier.answers[A] = LATER
        attempts = 0
        while not attempts or not (await office.progress(ref)).finished:
            attempts += await office.work()
            office.clock.advance(30)
            assert attempts < 300
        (person,) = (await office.progress(ref)).recipients
        assert (person.state, person.enhanced) == (State.EXPIRED, "4.4.7")
        assert b"Status: 4.4.7" in office.queued()[0].content
        assert office.value("recipients_total", way="smtp", result="expired") == 1

    async def test_the_null_sender_s_mail_expires_sooner_and_is_dropped(
        self, office: Office
    ) -> None:
        ref = await office.queue(1, A, sender="")
        office.carrier.answers[A] = LATER
        await office.work()
        office.clock.advance(3600)
        await office.work()
        assert (await office.progress(ref)).finished
        assert office.queued() == []

    async def test_failures_of_different_attempts_are_told_separately(self, office: Office) -> None:
        ref = await office.queue(1, A, B)
        office.carrier.answers = {A: GONE, B: LATER}
        await office.work()
        first = next(m for m in office.queued() if m.notification_about == ref)
        office.carrier.answers[B] = GONE
        office.clock.advance(70)
        await office.work()  # the first notification goes as well
        (second,) = (m for m in office.queued() if m.notification_about == ref)
        assert first.envelope.ref != second.envelope.ref
        assert b"a@example.com" in first.content
        assert b"a@example.com" not in second.content

    async def test_a_sender_beyond_ascii(self, office: Office) -> None:
        await office.queue(1, A, sender="jürgen@example.net")
        office.carrier.answers[A] = GONE
        await office.work()
        (notice,) = office.queued()
        assert notice.envelope.smtputf8
        assert notice.envelope.eight_bit


def progress_of(office: Office, ref: str, *people: Recipient, attempts: int = 1) -> Progress:
    return Progress(ref, 0, people, attempts, 0.0, office.clock.now())


async def note(office: Office, progress: Progress) -> None:
    await office.bus.publish(progress_subject("s0", progress.ref), write_progress(progress))


class TestCrash:
    """A process or the broker dies between two steps."""

    async def test_after_the_progress_before_the_ack(self, office: Office) -> None:
        ref = await office.queue(1, A)
        await office.take()  # handed out to a process that noted success and died
        await note(office, progress_of(office, ref, Recipient(A, State.DELIVERED, attempt=1)))
        office.clock.advance(DELIVERER.ack_wait_seconds + 1)
        assert await office.work() == 1
        assert office.delivered() == []
        assert office.queued() == []
        assert office.value("already_delivered_total") == 1

    async def test_before_the_progress(self, office: Office) -> None:
        ref = await office.queue(1, A)
        await office.take()
        office.clock.advance(DELIVERER.ack_wait_seconds + 1)
        await office.work()
        assert office.delivered() == [(ref, A)]
        assert office.carrier.mails[0].parcel.maybe_repeated

    @pytest.mark.parametrize("published", [False, True])
    @pytest.mark.parametrize("later", [31.0, 3600.0])
    async def test_around_the_notification(
        self, office: Office, published: bool, later: float
    ) -> None:
        """It is made up for, and not sent again even when the dedup window has passed."""
        ref = await office.queue(1, A)
        office.carrier.answers[A] = GONE
        if published:
            (message,) = await office.take()
            message.settled = True  # the ack is lost
            await office.deliverer.handle(message)
        else:
            await office.take()
            lost = Recipient(
                A, State.FAILED, "mx:25", "550 5.1.1 no", "5.1.1", office.clock.now(), 1
            )
            await note(office, progress_of(office, ref, lost))
        office.clock.advance(later)
        await office.work()
        if published:
            await office.work()
        told = office.value("notices_total", cause="sent")
        assert told == 1
        assert [m.notification_about for m in office.queued()] in ([ref], [])
        assert len(office.carrier.mails) <= 1

    async def test_the_notification_was_delivered_long_ago(self, office: Office) -> None:
        ref = await office.queue(1, A, sender="boss@example.com")
        office.carrier.answers[A] = GONE
        (message,) = await office.take()
        message.settled = True
        await office.deliverer.handle(message)
        await office.work()
        assert len(office.carrier.mails) == 1
        office.clock.advance(3600)
        assert await office.work() == 1  # the message whose ack was lost
        assert office.value("notices_total", cause="sent") == 1
        assert office.queued() == []
        assert (await office.progress(ref)).finished

    async def test_the_broker_forgot_that_it_had_handed_out(self, office: Office) -> None:
        """After SIGKILL it may begin to count anew: attempt 1 proves nothing for what was stored before."""
        ref = await office.queue(1, A)
        await note(office, progress_of(office, ref, Recipient(A, State.DELIVERED, attempt=1)))
        office.bus.connections += 1
        (message,) = await office.take()
        assert message.attempt == 1
        await office.deliverer.handle(message)
        assert office.delivered() == []

    async def test_a_message_seen_before_is_known_again(self, office: Office) -> None:
        ref = await office.queue(1, A)
        (message,) = await office.take()
        await office.deliverer.handle(message)
        again = MemoryMessage(message._consumer, stored_again(message), 1)
        await office.deliverer.handle(again)
        assert office.delivered() == [(ref, A)]

    async def test_what_lay_there_before_the_process_is_looked_up(self) -> None:
        office = Office()
        ref = await office.queue(1, A)
        await note(office, progress_of(office, ref, Recipient(A, State.DELIVERED, attempt=1)))
        office.bus.connections += 1  # as the new process makes it
        await office.work()
        assert office.delivered() == []

    async def test_a_progress_that_cannot_be_read_delivers_rather_than_loses(
        self, office: Office
    ) -> None:
        ref = await office.queue(1, A)
        await office.take()
        await office.bus.publish(progress_subject("s0", ref), b"\xff\xff")
        office.clock.advance(DELIVERER.ack_wait_seconds + 1)
        await office.work()
        assert office.delivered() == [(ref, A)]


def stored_again(message: MemoryMessage) -> Stored:
    return Stored(99, message.subject, message.payload, message.published_at)


async def test_a_message_in_hand_is_not_taken_twice(office: Office) -> None:
    ref = await office.queue(1, A)
    (first,) = await office.take()
    office.clock.advance(DELIVERER.ack_wait_seconds + 1)
    (second,) = await office.take()
    taken = asyncio.Event()
    office.carrier.hold = asyncio.Event()
    office.carrier.before = lambda *_: taken.set()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(office.deliverer.handle(first))
        await taken.wait()
        await office.deliverer.handle(second)
        assert office.value("put_back_total", cause="in_hand") == 1
        office.carrier.hold.set()
    office.clock.advance(IN_HAND_SECONDS + 0.1)
    await office.work()
    assert office.delivered() == [(ref, A)]


async def test_other_destinations_do_not_wait_for_a_slow_one_to_be_noted(office: Office) -> None:
    ref = await office.queue(1, A, C)
    office.carrier.hold = asyncio.Event()
    office.carrier.held_hosts = {"slow"}
    (message,) = await office.take()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(office.deliverer.handle(message))
        await until(lambda: office.delivered() == [(ref, A)])
        await until(lambda: bool(office.bus.stored(DELIVERY)))
        progress = await office.progress(ref)
        assert [r.state for r in progress.recipients] == [State.DELIVERED, State.WAITING]
        assert (progress.attempts, progress.finished) == (1, False)
        office.carrier.hold.set()
    done = await office.progress(ref)
    assert (done.attempts, done.finished) == (1, True)
    assert office.delivered() == [(ref, A), (ref, C)]


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.002)


class TestRelease:
    """Mail that was held and let out."""

    async def test_it_begins_anew_but_is_delivered_once(self, office: Office) -> None:
        ref = await office.queue(1, A)
        await office.work()
        await office.queue(1, A, release=1)
        await office.work()
        office.clock.advance(3600)
        await office.queue(1, A, release=1)  # quarantine, not sure, published it again
        await office.work()
        assert office.delivered() == [(ref, A), (ref, A)]
        assert [m.parcel.release for m in office.carrier.mails] == [0, 1]
        assert (await office.progress(ref)).release == 1

    async def test_its_time_begins_with_the_release(self, office: Office) -> None:
        of = envelope(ref_of(1), recipients=(A,), received_at=office.clock.now() - 30 * DAY)
        mail = events_pb2.QueuedMail(envelope=of, content=CONTENT, release=1)
        await office.bus.publish(deliver_subject("s0", ref_of(1)), mail.SerializeToString())
        office.carrier.answers[A] = LATER
        await office.work()
        assert not (await office.progress(ref_of(1))).finished


class TestBodies:
    """Big messages lie in the body store."""

    async def queue_big(self, office: Office, key: str = "mail/x", size: int = 0) -> str:
        big = CONTENT + b"x" * 1_000_000
        stored = await office.bus.bodies.put(key, big)
        body = common_pb2.BodyRef(key=key, bytes=size or len(big), sha256=stored.sha256)
        return await office.queue(1, A, content=b"", body=body)

    async def test_the_body_is_fetched_and_removed_in_the_end(self, office: Office) -> None:
        await self.queue_big(office)
        office.carrier.answers[A] = LATER
        await office.work()
        assert await office.bus.bodies.keys() == ["mail/x"]
        assert office.budget.used == 0
        office.carrier.answers.clear()
        office.clock.advance(70)
        await office.work()
        assert len(office.carrier.mails[0].parcel.content) > 1_000_000
        assert await office.bus.bodies.keys() == []

    async def test_a_held_body_is_quarantine_s(self, office: Office) -> None:
        await self.queue_big(office, "held/x")
        await office.work()
        assert len(office.carrier.mails) == 1
        assert await office.bus.bodies.keys() == ["held/x"]

    async def test_a_notification_returns_the_header_of_a_big_message(self, office: Office) -> None:
        await self.queue_big(office)
        office.carrier.answers[A] = GONE
        await office.work()
        assert b"Subject: hello" in office.queued()[0].content

    async def test_a_missing_body_is_parked_with_an_alarm(self, office: Office) -> None:
        await self.queue_big(office)
        await office.bus.bodies.delete("mail/x")
        await office.work()
        assert office.value("parked_total", cause="body_missing") == 1
        assert len(office.bus.stored(PARKED)) == 1
        assert office.queued() == []

    async def test_a_body_of_another_size_is_parked(self, office: Office) -> None:
        await self.queue_big(office, size=17)
        await office.work()
        assert office.value("parked_total", cause="body_missing") == 1
        assert office.carrier.mails == []

    async def test_without_memory_it_waits(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailweir_delivery.budget.WAIT_SECONDS", 0.01)
        await self.queue_big(office)
        async with office.budget.take(10_000_000):
            await office.work()
        assert office.value("put_back_total", cause="memory_full") == 1
        office.clock.advance(OUTAGE_SECONDS + 0.1)
        await office.work()
        assert len(office.carrier.mails) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff",
        b"",
        events_pb2.QueuedMail(envelope=envelope("no-ref"), content=b"x").SerializeToString(),
        events_pb2.QueuedMail(envelope=envelope(ref_of(1)), content=b"").SerializeToString(),
        events_pb2.QueuedMail(
            envelope=envelope(ref_of(1), recipients=()), content=b"x"
        ).SerializeToString(),
        events_pb2.QueuedMail(
            envelope=envelope(ref_of(1), recipients=("a@b>\r\nDATA",)), content=b"x"
        ).SerializeToString(),
        events_pb2.QueuedMail(
            envelope=envelope(ref_of(1), sender="a@b\n"), content=b"x"
        ).SerializeToString(),
    ],
)
async def test_what_cannot_be_delivered_is_parked(office: Office, payload: bytes) -> None:
    await office.bus.publish(deliver_subject("s0", ref_of(1)), payload)
    await office.work()
    assert office.value("parked_total", cause="undecodable") == 1
    assert [m.payload for m in office.bus.stored(PARKED)] == [payload]
    assert office.bus.stored(MAIL) == []


class TestBroker:
    """The broker is away."""

    async def test_what_was_delivered_is_noted_once_it_is_back(
        self, office: Office, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailweir_delivery.adapters.ledger.RETRY_FIRST_SECONDS", 0.01)
        ref = await office.queue(1, A)
        (message,) = await office.take()
        office.carrier.before = lambda *_: setattr(office.bus, "outage", BusUnavailable("away"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(office.deliverer.handle(message))
            await until(lambda: office.value("publish_retries_total") >= 2)
            office.bus.outage = None
        assert office.delivered() == [(ref, A)]
        assert (await office.progress(ref)).finished
        assert message.settled

    async def test_nothing_is_begun_while_it_is_away(self, office: Office) -> None:
        """What is delivered then could not be noted, and a crash would deliver it twice."""
        ref = await office.queue(1, A)
        (message,) = await office.take()
        office.bus.outage = BusUnavailable("away")
        with pytest.raises(
            BusUnavailable
        ):  # giving it back fails too; the broker takes it back by itself
            await office.deliverer.handle(message)
        assert office.delivered() == []
        assert office.value("put_back_total", cause="bus_unavailable") == 1
        office.bus.outage = None
        office.clock.advance(DELIVERER.ack_wait_seconds + 0.1)
        await office.work()
        assert office.delivered() == [(ref, A)]

    async def test_a_look_up_that_fails_gives_the_message_back(self, office: Office) -> None:
        await office.queue(1, A, release=1)
        (message,) = await office.take()
        office.bus.deaf = True
        await office.deliverer.handle(message)
        office.bus.deaf = False
        assert office.delivered() == []
        assert office.value("put_back_total", cause="bus_unavailable") == 1
        office.clock.advance(OUTAGE_SECONDS + 0.1)
        await office.work()
        assert len(office.delivered()) == 1


class TestFullStore:
    """The broker has no room for a word on progress until mail has left it."""

    @pytest.fixture
    def full(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
        """Return an office whose store has room for progress once fewer than two mails wait."""
        monkeypatch.setattr("mailweir_delivery.adapters.ledger.RETRY_FIRST_SECONDS", 0.01)
        publish = office.bus.publish

        async def bounded(subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
            if ".delivery." in subject and len(office.bus.stored(MAIL)) >= 2:
                raise BusFull("no room")
            return await publish(subject, payload, msg_id=msg_id)

        monkeypatch.setattr(office.bus, "publish", bounded)
        return office

    async def test_mail_that_has_arrived_makes_room_and_is_noted_then(self, full: Office) -> None:
        first, second = await full.queue(1, A), await full.queue(2, B)
        async with asyncio.timeout(5):
            await full.work()
        assert full.delivered() == [(first, A), (second, B)]
        assert full.bus.stored(MAIL) == []
        assert (await full.progress(first)).finished
        assert (await full.progress(second)).finished

    async def test_a_deferral_is_not_waited_with_and_tried_again(self, full: Office) -> None:
        full.carrier.answers[A] = LATER
        ref = await full.queue(1, A)
        await full.queue(2, B, sender="x@example.net")
        full.carrier.answers[B] = LATER
        async with asyncio.timeout(5):
            await full.work()
        assert await full.bus.last(DELIVERY, progress_subject("s0", ref)) is None
        assert full.value("put_back_total", cause="bus_unavailable") == 2
        full.carrier.answers.clear()
        full.clock.advance(61)
        async with asyncio.timeout(5):
            await full.work()
        assert len(full.delivered()) == 2
        assert full.bus.stored(MAIL) == []

    async def test_what_is_settled_for_some_is_not_forgotten(self, full: Office) -> None:
        full.carrier.answers[B] = LATER
        ref = await full.queue(1, A, B)
        await full.queue(2, A)
        messages = await full.take()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for message in messages:
                tasks.create_task(full.deliverer.handle(message))
        assert sorted(full.delivered()) == sorted([(ref, A), (ref_of(2), A)])
        full.carrier.answers.clear()
        full.clock.advance(61)
        await full.work()
        assert full.delivered().count((ref, A)) == 1
        assert full.delivered().count((ref, B)) == 1


class TestStopping:
    """The process is to end."""

    async def test_what_has_not_begun_is_given_back_at_once(self, office: Office) -> None:
        await office.queue(1, A)
        office.stopping.set()
        await office.work()
        assert office.delivered() == []
        assert office.value("put_back_total", cause="stopping") == 1
        assert len(await office.take()) == 1

    async def test_what_waits_for_a_place_is_given_back_at_once(self, office: Office) -> None:
        for number in range(1, 9):
            await office.queue(number, A)
        messages = await office.take()
        office.carrier.hold = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for message in messages:
                tasks.create_task(office.deliverer.handle(message))
            await until(lambda: office.value("in_hand_messages") == 8)
            office.lanes.stop()
            await until(lambda: office.value("put_back_total", cause="stopping") == 3)
            office.carrier.hold.set()
        assert len(office.delivered()) == 5
        assert len(await office.take()) == 3


async def test_a_missing_route_waits_for_the_admin(office: Office) -> None:
    office.config = static_config(policy({}))
    ref = await office.queue(1, A)
    await office.work()
    (person,) = (await office.progress(ref)).recipients
    assert (person.state, person.enhanced) == (State.DEFERRED, "4.3.5")
    assert person.reply == "no route for the local domain example.com"
    office.config = StaticConfig(Office().config.current)
    office.clock.advance(70)
    await office.work()
    assert office.delivered() == [(ref, A)]


async def test_a_message_whose_only_lane_is_full_is_put_back_without_an_attempt(
    office: Office,
) -> None:
    for number in range(1, 7):
        await office.queue(number, A)
    messages = await office.take()
    office.carrier.hold = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for message in messages:
            tasks.create_task(office.deliverer.handle(message))
        await until(lambda: office.value("put_back_total", cause="busy") == 1)
        office.carrier.hold.set()
    assert len(office.delivered()) == 5
    office.clock.advance(2)
    await office.work()
    assert len(office.delivered()) == 6
    assert (await office.progress(ref_of(6))).attempts == 1


async def test_a_full_lane_for_some_brings_the_next_attempt_forward(office: Office) -> None:
    office.carrier.hold = asyncio.Event()
    office.carrier.held_hosts = {"slow"}
    for number in range(1, 6):
        await office.queue(number, C)
    mixed = await office.queue(6, A, C)
    messages = await office.take()
    async with asyncio.TaskGroup() as tasks:
        for message in messages:
            tasks.create_task(office.deliverer.handle(message))
        await until(lambda: len(office.bus.stored(DELIVERY)) == 1 and messages[-1].settled)
        progress = await office.progress(mixed)
        assert [r.state for r in progress.recipients] == [State.DELIVERED, State.WAITING]
        assert 0 < progress.next_attempt_at - office.clock.now() < 5
        office.carrier.hold.set()


async def test_what_was_answered_late_is_not_sent_again(office: Office) -> None:
    ref = await office.queue(1, A, B)
    taken = Ending(Verdict.DELIVERED, "2.0.0", "250 2.0.0 late", next_hop="mx:25", remote=True)
    office.late.known[(ref, 0)] = {A: taken}
    await office.work()
    assert office.delivered() == [(ref, B)]
    assert (await office.progress(ref)).finished
