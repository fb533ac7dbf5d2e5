"""Keeping mail and records in the bus; and a keeper in memory."""

import asyncio
from typing import Final

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir_core.decision import Action
from mailweir_ingress.adapters.disk import Disk, ElsewhereDisk
from mailweir_ingress.adapters.judged import judged, queued
from mailweir_ingress.adapters.wire import with_field
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.ports import NotKept, Record
from mailweir_runtime.bus.ports import Bus, BusError, BusFull
from mailweir_runtime.bus.topology import (
    INLINE_BODY_BYTES,
    deliver_subject,
    hold_subject,
    judged_subject,
)
from mailweir_runtime.convert import envelope_to_proto
from mailweir_runtime.logs import get_logger

MAX_NOTES: Final = 5000
"""Records of refusals that may wait for the bus; one more is dropped."""
NOTES_AT_ONCE: Final = 32

_log = get_logger(__name__)


class BusKeeper:
    """Publishes a message and its record side by side; the client may be told once both are on disk."""

    def __init__(
        self, bus: Bus, shard: str, version: str, metrics: Metrics, disk: Disk | None = None
    ) -> None:
        """Publish for a shard; `version` of this program stands in every record.

        `disk`: the one that the broker stores on, if it must be looked after here.
        """
        self._disk = disk or ElsewhereDisk()
        self._bus = bus
        self._shard = shard
        self._version = version
        self._metrics = metrics
        self._notes: asyncio.Queue[Record] = asyncio.Queue(MAX_NOTES)

    async def keep(self, record: Record, content: bytes) -> None:
        """Store a message with its record. Raises NotKept; the same reference is stored once."""
        if not self._disk.has_room:
            raise NotKept("too little of the broker's disk is free", full=True)
        ref = record.envelope.ref
        hold = record.decision.action is Action.HOLD
        subject = (hold_subject if hold else deliver_subject)(self._shard, ref)
        envelope = envelope_to_proto(record.envelope)
        mail = queued(record, envelope)
        try:
            payload = await self._payload(mail, content, ref)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._publish_record(record, envelope))
                await self._bus.publish(subject, payload, msg_id=ref)
        except BusError as error:
            raise _not_kept(error) from error
        except BaseExceptionGroup as group:
            failures, rest = group.split(BusError)
            if failures is None or rest is not None:
                raise
            raise _not_kept(failures) from group

    def note(self, record: Record) -> None:
        """Put a record in line; where the line is full it is counted and dropped."""
        try:
            self._notes.put_nowait(record)
        except asyncio.QueueFull:
            self._metrics.events_dropped.inc()

    async def write_notes(self) -> None:
        """Publish what is in line; runs until cancelled."""
        while True:
            first = await self._notes.get()
            await self._write([first, *self._waiting(NOTES_AT_ONCE - 1)])

    async def flush(self) -> None:
        """Publish what is still in line, for the end of the process."""
        while notes := self._waiting(NOTES_AT_ONCE):
            await self._write(notes)

    def _waiting(self, most: int) -> list[Record]:
        return [self._notes.get_nowait() for _ in range(min(most, self._notes.qsize()))]

    async def _write(self, notes: list[Record]) -> None:
        async with asyncio.TaskGroup() as all_of_them:
            for note in notes:
                all_of_them.create_task(self._write_one(note))

    async def _write_one(self, note: Record) -> None:
        try:
            await self._publish_record(note, envelope_to_proto(note.envelope))
        except BusError as error:
            self._metrics.events_dropped.inc()
            _log.warning("record_dropped", ref=note.envelope.ref, detail=str(error)[:200])

    async def _payload(self, mail: events_pb2.QueuedMail, content: bytes, ref: str) -> bytes:
        """Return what travels: the message with its content, or with where its content lies."""
        if len(content) <= INLINE_BODY_BYTES:
            return with_field(mail, events_pb2.QueuedMail.CONTENT_FIELD_NUMBER, content)
        stored = await self._bus.bodies.put(f"mail/{ref}", content)
        mail.body.CopyFrom(
            common_pb2.BodyRef(key=stored.key, bytes=stored.bytes, sha256=stored.sha256)
        )
        return mail.SerializeToString()

    async def _publish_record(self, record: Record, envelope: common_pb2.Envelope) -> None:
        ref = record.envelope.ref
        payload = judged(record, envelope, self._version).SerializeToString()
        # A message that could not be stored may have a record already that says it was.
        kind = "judged-deferred" if record.decision.action is Action.DEFER else "judged"
        await self._bus.publish(judged_subject(self._shard, ref), payload, msg_id=f"{kind}-{ref}")


def _not_kept(error: BaseException) -> NotKept:
    full = _first(error)
    return NotKept(str(full)[:200], full=isinstance(full, BusFull))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class MemoryKeeper:
    """Keeps everything in lists. Set `outage` to have it refuse."""

    def __init__(self) -> None:
        """Begin empty."""
        self.kept: list[tuple[Record, bytes]] = []
        self.notes: list[Record] = []
        self.outage: NotKept | None = None

    async def keep(self, record: Record, content: bytes) -> None:
        """Keep a message; the same reference once."""
        if self.outage is not None:
            raise self.outage
        if all(record.envelope.ref != other.envelope.ref for other, _ in self.kept):
            self.kept.append((record, content))

    def note(self, record: Record) -> None:
        """Keep a record."""
        self.notes.append(record)
