"""Streams and consumers in memory: dedup window, work queue, ack wait, redelivery, driven by a clock."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mailweir_core.clock import Clock
from mailweir_runtime.bus.matching import matches
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.parking import parked_note
from mailweir_runtime.bus.ports import PubAck
from mailweir_runtime.bus.topology import ConsumerSpec, StreamSpec

POLL_SECONDS = 0.005
"""How often a waiting fetch looks at the clock, which a test may move by hand."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored message."""

    sequence: int
    subject: str
    payload: bytes
    published_at: float
    headers: tuple[tuple[str, str], ...] = ()


class MemoryStream:
    """One stream: messages by sequence, the dedup window, the consumers that take from it."""

    def __init__(self, spec: StreamSpec, clock: Clock) -> None:
        """Begin empty."""
        self.spec = spec
        self.changed = asyncio.Event()
        self.messages: dict[int, Stored] = {}
        self._clock = clock
        self.floor = 0
        self._sequence = 0
        self._seen: dict[str, tuple[int, float]] = {}
        self._by_subject: dict[str, list[int]] = {}

    def publish(
        self, subject: str, payload: bytes, msg_id: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> PubAck:
        """Store a message unless its id was stored within the window."""
        now = self._clock.now()
        self._expire(now)
        seen = self._seen.get(msg_id) if msg_id else None
        if seen is not None:
            return PubAck(self.spec.name, seen[0], duplicate=True)
        self._sequence += 1
        self.messages[self._sequence] = Stored(self._sequence, subject, payload, now, headers)
        if msg_id:
            self._seen[msg_id] = (self._sequence, now)
        self._trim(subject)
        self.wake()
        return PubAck(self.spec.name, self._sequence)

    def _trim(self, subject: str) -> None:
        sequences = self._by_subject.setdefault(subject, [])
        sequences.append(self._sequence)
        while 0 < self.spec.max_per_subject < len(sequences):
            self.messages.pop(sequences.pop(0), None)

    def _expire(self, now: float) -> None:
        oldest = now - self.spec.duplicate_window_seconds
        while self._seen:
            msg_id, (_, at) = next(iter(self._seen.items()))
            if at > oldest:
                break
            del self._seen[msg_id]
        if self.spec.max_age_seconds > 0:
            edge = now - self.spec.max_age_seconds
            for sequence in [s for s, m in self.messages.items() if m.published_at <= edge]:
                self.remove(sequence)

    def remove(self, sequence: int) -> None:
        """Take a message off the stream; no error where there is none."""
        stored = self.messages.pop(sequence, None)
        if stored is not None:
            self._by_subject[stored.subject].remove(sequence)

    def last(self, subject: str) -> Stored | None:
        """Return the newest message on a subject."""
        self._expire(self._clock.now())
        sequences = self._by_subject.get(subject)
        return self.messages[sequences[-1]] if sequences else None

    def settle_floor(self) -> None:
        """Note what was stored before the present connection: hand-outs of it may be forgotten."""
        self.floor = self._sequence

    def wake(self) -> None:
        """Let waiting fetches look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class MemoryConsumer:
    """A durable consumer: what was handed out, how often, and when it is due again."""

    def __init__(
        self,
        spec: ConsumerSpec,
        stream: MemoryStream,
        parked: MemoryStream,
        clock: Clock,
        metrics: BusMetrics,
        check: Callable[[], None],
    ) -> None:
        """Begin with the stream's first message; `check` raises while the bus is away."""
        self.check = check
        self.spec = spec
        self.stream = stream
        self.parked = parked
        self.metrics = metrics
        self._clock = clock
        self._next = 1
        self._due: dict[int, float] = {}
        self._attempts: dict[int, int] = {}

    async def fetch(
        self, most: int, wait_seconds: float, *, keep_open: bool = False
    ) -> Sequence["MemoryMessage"]:
        """Return up to `most` messages as soon as there is one; none after `wait_seconds`.

        `keep_open` changes nothing: a fetch costs nothing here.
        """
        del keep_open
        loop = asyncio.get_running_loop()
        clock_end = self._clock.monotonic() + wait_seconds
        real_end = loop.time() + wait_seconds
        while True:
            self.check()
            changed = self.stream.changed
            taken = self._take(most)
            if taken or self._clock.monotonic() >= clock_end or loop.time() >= real_end:
                return taken
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await changed.wait()
            except TimeoutError:
                continue

    async def end_fetching(self) -> None:
        """Do nothing: what was not fetched was not handed out."""

    def _take(self, most: int) -> list["MemoryMessage"]:
        now = self._clock.now()
        due = sorted(seq for seq, at in self._due.items() if at <= now)
        for sequence in [seq for seq in due if seq not in self.stream.messages]:
            self.forget(sequence)
        chosen = [seq for seq in due if seq in self.stream.messages][:most]
        room = self.spec.max_ack_pending - len(self._due)
        chosen += self._fresh(min(most - len(chosen), room))
        return [self._hand_out(sequence, now) for sequence in chosen]

    def _fresh(self, most: int) -> list[int]:
        found: list[int] = []
        for sequence in sorted(s for s in self.stream.messages if s >= self._next):
            if len(found) >= most:
                break
            self._next = sequence + 1
            if matches(self.spec.filter, self.stream.messages[sequence].subject):
                found.append(sequence)
        return found

    def _hand_out(self, sequence: int, now: float) -> "MemoryMessage":
        attempt = self._attempts.get(sequence, 0) + 1
        self._attempts[sequence] = attempt
        self._due[sequence] = now + self.spec.ack_wait_seconds
        if attempt > 1:
            self.metrics.redelivered.labels(self.spec.name).inc()
        return MemoryMessage(self, self.stream.messages[sequence], attempt)

    async def lag(self) -> int:
        """Return how many messages wait or are being worked on."""
        self.check()
        waiting = sum(
            sequence >= self._next and matches(self.spec.filter, stored.subject)
            for sequence, stored in self.stream.messages.items()
        )
        return waiting + len(self._due)

    def forget(self, sequence: int) -> None:
        """Note that a message is done with."""
        self._due.pop(sequence, None)
        self._attempts.pop(sequence, None)
        if self.spec.stream.retention == "workqueue":
            self.stream.remove(sequence)

    def delay(self, sequence: int, seconds: float) -> None:
        """Hand a message out again after that time, if it is still out."""
        if sequence in self._due:
            self._due[sequence] = self._clock.now() + seconds
            self.stream.wake()


class MemoryMessage:
    """A message that a consumer handed out."""

    def __init__(self, consumer: MemoryConsumer, stored: Stored, attempt: int) -> None:
        """Wrap a stored message."""
        self.subject = stored.subject
        self.payload = stored.payload
        self.attempt = attempt
        self.fresh = attempt == 1 and stored.sequence > consumer.stream.floor
        self.published_at = stored.published_at
        self.settled = False
        self._sequence = stored.sequence
        self._consumer = consumer

    async def ack(self) -> None:
        """Tell the broker that it is done with."""
        if not self.settled:
            self._consumer.check()
            self.settled = True
            self._consumer.forget(self._sequence)

    async def ack_sync(self) -> None:
        """Do the same; memory confirms at once."""
        await self.ack()

    async def nak(self, delay_seconds: float = 0.0) -> None:
        """Give it back, to be handed out again after the delay."""
        if not self.settled:
            self._consumer.check()
            self.settled = True
            self._consumer.delay(self._sequence, delay_seconds)

    async def in_progress(self) -> None:
        """Ask for more time: the ack wait begins anew."""
        if not self.settled:
            self._consumer.check()
            self._consumer.delay(self._sequence, self._consumer.spec.ack_wait_seconds)

    async def park(self, reason: str) -> None:
        """Copy it to the stream PARKED with the reason, and take it off this stream."""
        if self.settled:
            return
        self._consumer.check()
        spec = self._consumer.spec
        note = parked_note(spec, self.subject, self.attempt, reason)
        msg_id = f"parked-{spec.stream.name}-{self._sequence}"
        self._consumer.parked.publish(note.subject, self.payload, msg_id, note.headers)
        self._consumer.metrics.parked.labels(spec.name).inc()
        await self.ack()
