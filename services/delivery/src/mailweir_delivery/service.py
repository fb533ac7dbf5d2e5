"""What becomes of a message from the stream: deliver → keep the progress → tell the sender → ack.

Each step is safe to repeat. A crash before the progress is stored repeats the attempt, a crash after it
repeats only what follows: the notification has a reference that follows from the failure and is looked for
first, and the body is deleted before the ack.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from mailweir_delivery.adapters.queued import Queued, Undecodable, read_mail
from mailweir_delivery.attempt import Attempt, PolicyInForce, Tools
from mailweir_delivery.budget import ByteBudget, MemoryFull
from mailweir_delivery.lanes import PutBack
from mailweir_delivery.notifier import Notifier
from mailweir_delivery.policy.progress import (
    SETTLED,
    Progress,
    State,
    close_attempt,
    no_later_than,
    resume,
)
from mailweir_delivery.policy.retry import expires_at
from mailweir_delivery.policy.routing import Router
from mailweir_delivery.ports import Parcel
from mailweir_delivery.sightings import Sightings
from mailweir_runtime.bus.ports import Bus, BusUnavailable, Message
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger

IN_HAND_SECONDS: Final = 5.0
"""When a message that is being worked on is handed out again, it is given back for so long."""
OUTAGE_SECONDS: Final = 10.0
"""When the bus does not answer, or no memory is free, the message is given back for so long."""
EARLY_SLACK_SECONDS: Final = 0.5
"""A message handed out this much before its time is worked on."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A message in hand. `accepted_at`: from when its age counts, seconds since the epoch."""

    message: Message
    mail: Queued
    shard: str
    accepted_at: float
    force: PolicyInForce


class BodyMissing(Exception):
    """Raised when a body that a message refers to is not there, or not what was stored."""


class Deliverer:
    """Handles messages; one per process."""

    def __init__(
        self, bus: Bus, config: HasPolicy, tools: Tools, budget: ByteBudget, stopping: asyncio.Event
    ) -> None:
        """Take what it works with."""
        self._bus = bus
        self._config = config
        self._tools = tools
        self._metrics = tools.metrics
        self._budget = budget
        self._stopping = stopping
        self._notifier = Notifier(tools.ledger, tools.metrics)
        self._sightings = Sightings()
        self._in_hand: set[tuple[str, int]] = set()
        self._force: PolicyInForce | None = None

    async def handle(self, message: Message) -> None:
        """Work on one message and settle it."""
        if self._stopping.is_set():
            await self._give_back(message, PutBack(0.0, "stopping"))
            return
        try:
            mail = read_mail(message.payload)
        except Undecodable as error:
            await self._park(message, "undecodable", str(error))
            return
        key = (mail.ref, mail.release)
        if key in self._in_hand:
            await self._give_back(message, PutBack(IN_HAND_SECONDS, "in_hand"))
            return
        self._in_hand.add(key)
        self._metrics.in_hand.inc()
        try:
            await self._work(self._job(message, mail))
        finally:
            self._in_hand.discard(key)
            self._metrics.in_hand.dec()

    def _job(self, message: Message, mail: Queued) -> Job:
        # held mail may be old when it is let out: its time begins then
        received = 0.0 if mail.release else mail.envelope.received_at
        shard = message.subject.split(".", 2)[1]
        return Job(message, mail, shard, received or message.published_at, self._in_force())

    def _in_force(self) -> PolicyInForce:
        snapshot = self._config.current
        if self._force is None or self._force.policy is not snapshot.policy:
            self._force = PolicyInForce(snapshot.policy, Router(snapshot.policy))
        return self._force

    async def _work(self, job: Job) -> None:
        try:
            await self._work_on(job)
        except MemoryFull:
            await self._give_back(job.message, PutBack(OUTAGE_SECONDS, "memory_full"))
        except BodyMissing as error:
            await self._park(job.message, "body_missing", str(error))
        except BusUnavailable as error:
            _log.warning("bus_unavailable", ref=job.mail.ref, detail=str(error))
            await self._give_back(job.message, PutBack(OUTAGE_SECONDS, "bus_unavailable"))

    async def _work_on(self, job: Job) -> None:
        mail = job.mail
        new = self._sightings.surely_new(job.message, mail)
        last = None if new else await self._tools.ledger.read(job.shard, mail.ref)
        progress = resume(mail.ref, mail.release, mail.envelope.recipients, last)
        if progress.finished:
            await self._finish_again(job, progress)
            return
        early = progress.next_attempt_at - self._tools.clock.now()
        if early > EARLY_SLACK_SECONDS:
            await self._give_back(job.message, PutBack(early, "early"))
            return
        if not self._bus.connected:
            # what is delivered now could not be noted, and a crash meanwhile would deliver it twice
            raise BusUnavailable("no connection to the bus")
        async with self._content(mail) as content:
            await self._attempt(job, progress, _parcel(mail, content, repeated=not new))

    @asynccontextmanager
    async def _content(self, mail: Queued) -> AsyncIterator[bytes]:
        """Hold the content; raises MemoryFull, BodyMissing, BusUnavailable."""
        if mail.content is not None:
            yield mail.content
            return
        async with self._budget.take(mail.body_bytes):
            content = await self._bus.bodies.get(mail.body_key)
            if content is None or len(content) != mail.body_bytes:
                size = "missing" if content is None else f"{len(content)} bytes long"
                raise BodyMissing(f"{mail.body_key} is {size}, not {mail.body_bytes} bytes")
            yield content

    async def _attempt(self, job: Job, progress: Progress, parcel: Parcel) -> None:
        attempt = Attempt(self._tools, job.shard, parcel, progress, job.force)
        await attempt.run()
        if attempt.put_back is not None and not attempt.tried:
            await self._give_back(job.message, attempt.put_back)
            return
        progress = self._close(job, attempt)
        if not await self._tools.ledger.write_if_room(job.shard, progress):
            await self._without_room(job, progress)
            return
        await self._tell_sender(job, progress, parcel.content)
        if progress.finished:
            await self._finish(job)
            return
        self._metrics.deferrals.add(progress.next_attempt_at)
        await job.message.nak(max(0.0, progress.next_attempt_at - self._tools.clock.now()))

    async def _without_room(self, job: Job, progress: Progress) -> None:
        """Settle an attempt that a full store has no room to note: only what leaves it makes room again.

        Waiting for room with the message in hand would be waiting for oneself: all workers would do so. So
        mail that has arrived goes first and is noted then; a crash in between leaves its record behind, but
        neither loses it nor sends it twice. Nothing need be noted of an attempt that settled nothing. What
        is settled for some recipients only is not forgotten, whatever it costs.
        """
        states = {person.state for person in progress.recipients}
        if states == {State.DELIVERED}:
            await self._finish(job)
        elif not states & SETTLED:
            wait = max(OUTAGE_SECONDS, progress.next_attempt_at - self._tools.clock.now())
            await self._give_back(job.message, PutBack(wait, "bus_unavailable"))
            return
        await self._tools.ledger.write(job.shard, progress)
        if states != {State.DELIVERED}:
            await self._give_back(job.message, PutBack(0.0, "bus_unavailable"))

    def _close(self, job: Job, attempt: Attempt) -> Progress:
        """Return what stands at the end of an attempt, counted and logged."""
        retry, now = job.force.policy.delivery.retry, self._tools.clock.now()
        expiry = expires_at(retry, job.accepted_at, null_sender=not job.mail.envelope.sender)
        progress = close_attempt(attempt.progress, retry, now, expiry)
        if attempt.put_back is not None:
            progress = no_later_than(progress, now + attempt.put_back.delay_seconds)
        for person in progress.recipients:
            if person.state is State.EXPIRED and person.attempt == progress.attempts:
                way = attempt.ways.get(person.address, "none")
                self._metrics.recipients.labels(way, "expired").inc()
        _log_attempt(progress, now)
        return progress

    async def _tell_sender(self, job: Job, progress: Progress, content: bytes) -> None:
        policy = job.force.policy
        for failure in await self._notifier.untold(
            job.mail, job.shard, progress, policy, fresh=True
        ):
            await self._notifier.tell(job.mail, job.shard, failure, content, policy)

    async def _finish(self, job: Job) -> None:
        if job.mail.owns_body:
            await self._bus.bodies.delete(job.mail.body_key)
        await job.message.ack()

    async def _finish_again(self, job: Job, progress: Progress) -> None:
        """Do what a crash may have left undone after the last attempt."""
        mail, policy = job.mail, job.force.policy
        self._metrics.already_done.inc(progress.delivered)
        failures = await self._notifier.untold(mail, job.shard, progress, policy, fresh=False)
        if failures:
            async with self._content(mail) as content:
                for failure in failures:
                    await self._notifier.tell(mail, job.shard, failure, content, policy)
        await self._finish(job)

    async def _give_back(self, message: Message, back: PutBack) -> None:
        self._metrics.put_back.labels(back.cause).inc()
        await message.nak(back.delay_seconds)

    async def _park(self, message: Message, cause: str, detail: str) -> None:
        """Set a message aside: it is our loss to explain, not the sender's to be told of."""
        self._metrics.parked.labels(cause).inc()
        _log.error("mail_parked", subject=message.subject, cause=cause, detail=detail)
        await message.park(f"{cause}: {detail}")


def _parcel(mail: Queued, content: bytes, *, repeated: bool) -> Parcel:
    return Parcel(
        mail.ref,
        mail.release,
        mail.envelope.sender,
        content,
        mail.envelope.received_at,
        smtputf8=mail.envelope.smtputf8,
        maybe_repeated=repeated,
    )


def _log_attempt(progress: Progress, now: float) -> None:
    """Write the attempt's one line."""
    counts = Counter(person.state.value for person in progress.recipients)
    worst = next((p for p in progress.recipients if p.state is not State.DELIVERED), None)
    person = worst or progress.recipients[0]
    _log.info(
        "attempt_ended",
        ref=progress.ref,
        release=progress.release,
        attempt=progress.attempts,
        **counts,
        next_hop=person.next_hop,
        reply=person.reply,
        next_seconds=round(max(0.0, progress.next_attempt_at - now), 1),
    )
