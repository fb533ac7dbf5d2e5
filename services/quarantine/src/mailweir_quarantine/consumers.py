"""The three streams' ends: records, held mail, delivery's progress.

Each handler does its work in one transaction and returns; the pull loop acknowledges then. So what a crash
takes back is handed out again, and every transaction may be repeated without harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mailweir_core.clock import Clock
from mailweir_core.decision import State
from mailweir_quarantine.adapters.events import (
    ArrivedMail,
    Undecodable,
    mail_from,
    progress_from,
    record_from,
)
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.patience import Patience
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.values import HeldMail
from mailweir_runtime.bus.ports import BodyStore, Message
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlRefused

V = TypeVar("V")

RECORD_BATCH: Final = 256
TRACK_BATCH: Final = 256
HOLD_BATCH: Final = 16
"""Held messages taken in together: each may bring half a mebibyte with it."""
BATCH_PAUSE_SECONDS: Final = 0.5
"""How long what comes after a batch gathers for the next one: a transaction costs as much as many rows."""
HELD_PREFIX: Final = "held/"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every handler works with."""

    store: RecordStore
    patience: Patience
    metrics: QuarantineMetrics
    clock: Clock

    async def readable(
        self, consumer: str, messages: Sequence[Message], read: Callable[[bytes], V]
    ) -> list[tuple[Message, V]]:
        """Return the messages with what they say; what cannot be read is parked."""
        found = []
        for message in messages:
            try:
                found.append((message, read(message.payload)))
            except Undecodable as error:
                await self.park(consumer, message, str(error))
        return found

    async def park(self, consumer: str, message: Message, reason: str) -> None:
        """Put a message aside that no repetition will help."""
        self.metrics.unusable.labels(consumer).inc()
        _log.error("message_unusable", consumer=consumer, subject=message.subject, reason=reason)
        await message.park(reason)

    async def store_batch(
        self, consumer: str, operation: str, messages: Sequence[Message],
        work: Callable[[], Awaitable[object]],
    ) -> bool:  # fmt: skip
        """Do one transaction for a batch; say whether it was done.

        A refused value spoils the whole batch: it is raised, the pull loop then tries one by one, and the
        one that is refused alone is parked.
        """
        try:
            return await self.patience.keep(messages, operation, work)
        except SqlRefused as error:
            if len(messages) > 1:
                raise
            await self.park(consumer, messages[0], str(error))
            return False


class Recorder:
    """Stream JUDGED: writes the records."""

    def __init__(self, desk: Desk) -> None:
        """Take what to work with."""
        self._desk = desk

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Write a batch."""
        desk = self._desk
        read = await desk.readable("recorder", messages, record_from)
        records = [record for _, record in read]

        async def work() -> None:
            desk.metrics.records.inc(await desk.store.record(records))

        kept = [message for message, _ in read]
        if kept and await desk.store_batch("recorder", "record", kept, work):
            now = desk.clock.now()
            for record in records:
                if record.judged_at > 0:
                    desk.metrics.record_lag.observe(max(0.0, now - record.judged_at))


class Tracker:
    """Stream DELIVERY: notes where delivery stands."""

    def __init__(self, desk: Desk) -> None:
        """Take what to work with."""
        self._desk = desk

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Note a batch."""
        desk = self._desk
        read = await desk.readable("tracker", messages, progress_from)
        events = [event for _, event in read]
        kept = [message for message, _ in read]
        if kept:
            now = desk.clock.now()
            await desk.store_batch("tracker", "track", kept, lambda: desk.store.track(events, now))


class Holder:
    """Stream MAIL, what is to be held: the body goes to our store, then the row, then the ack."""

    def __init__(self, desk: Desk, bodies: BodyStore) -> None:
        """Take what to work with."""
        self._desk = desk
        self._bodies = bodies
        self._one_big = asyncio.Lock()

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take a batch in."""
        desk = self._desk
        read = await desk.readable("holder", messages, mail_from)
        stored = await self._store_bodies(read)
        kept = [message for message, _ in stored]
        mails = [mail for _, mail in stored]

        async def work() -> None:
            await desk.store.hold(mails, desk.clock.now())

        if kept and await desk.store_batch("holder", "hold", kept, work):
            desk.metrics.taken_in.inc(len(kept))
            for _, mail in read:
                await self._remove_original(mail)

    async def _store_bodies(
        self, read: Sequence[tuple[Message, ArrivedMail]]
    ) -> list[tuple[Message, HeldMail]]:
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._store_body(message, mail)) for message, mail in read
                ]
        except ExceptionGroup as group:  # one is as good as all: the batch is tried again
            raise group.exceptions[0] from None
        return [pair for task in running if (pair := task.result()) is not None]

    async def _store_body(
        self, message: Message, mail: ArrivedMail
    ) -> tuple[Message, HeldMail] | None:
        ref = mail.facts.ref
        if mail.stored is None:
            body = await self._bodies.put(HELD_PREFIX + ref, mail.content)
            return message, mail.held(body, _shard(message.subject))
        async with self._one_big:  # one at a time in memory
            content = await self._bodies.get(mail.stored.key)
            if content is not None:
                body = await self._bodies.put(HELD_PREFIX + ref, content)
                return message, mail.held(body, _shard(message.subject))
        if not await self._was_taken_in(ref):
            await self._desk.park("holder", message, f"no body under {mail.stored.key}")
        return None

    async def _was_taken_in(self, ref: str) -> bool:
        """Say whether an earlier hand-out got as far as removing the original."""
        store = self._desk.store
        with self._desk.metrics.counting("hold"):
            known = await store.get(ref)
            if known is None:
                return False
            return known.summary.state is not State.HELD or await store.body(ref) is not None

    async def _remove_original(self, mail: ArrivedMail) -> None:
        if mail.stored is not None and mail.stored.key != HELD_PREFIX + mail.facts.ref:
            await self._bodies.delete(mail.stored.key)


def _shard(subject: str) -> str:
    return subject.split(".")[1]
