"""The progress of each message in stream DELIVERY, and publishes that do not give up."""

import asyncio
from typing import Final

from mailweir_delivery.adapters.queued import Undecodable, read_progress, write_progress
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.progress import Progress
from mailweir_runtime.bus.ports import Bus, BusFull, BusUnavailable
from mailweir_runtime.bus.topology import DELIVERY, MAIL, deliver_subject, progress_subject
from mailweir_runtime.logs import get_logger

RETRY_FIRST_SECONDS: Final = 0.2
RETRY_MOST_SECONDS: Final = 5.0

_log = get_logger(__name__)


class Ledger:
    """Reads and writes progress over the bus."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        """Take the bus."""
        self._bus = bus
        self._metrics = metrics

    async def read(self, shard: str, ref: str) -> Progress | None:
        """Return the last word on a message, or None; raises BusUnavailable."""
        payload = await self._bus.last(DELIVERY, progress_subject(shard, ref))
        if payload is None:
            return None
        try:
            return read_progress(payload)
        except Undecodable as error:  # rather a message twice than none
            _log.error("progress_unreadable", ref=ref, detail=str(error))
            return None

    async def write(self, shard: str, progress: Progress, part: int = 0) -> None:
        """Store a progress, however long the broker is away or has no room.

        `part` tells several words on one attempt apart: 0 is the attempt's end.
        """
        await self.publish(*_publication(shard, progress, part))

    async def write_if_room(self, shard: str, progress: Progress) -> bool:
        """Store the end of an attempt, however long the broker is away; False where it has no room."""
        return await self._publish(*_publication(shard, progress, 0), give_up_when_full=True)

    async def is_known(self, shard: str, ref: str) -> bool:
        """Say whether a message was queued before; raises BusUnavailable."""
        for stream, subject in (
            (MAIL, deliver_subject(shard, ref)),
            (DELIVERY, progress_subject(shard, ref)),
        ):
            if await self._bus.last(stream, subject) is not None:
                return True
        return False

    async def publish(self, subject: str, payload: bytes, msg_id: str) -> None:
        """Publish until it is acknowledged: what has happened at a next hop must not be forgotten."""
        await self._publish(subject, payload, msg_id, give_up_when_full=False)

    async def _publish(
        self, subject: str, payload: bytes, msg_id: str, *, give_up_when_full: bool
    ) -> bool:
        pause = RETRY_FIRST_SECONDS
        while True:
            try:
                await self._bus.publish(subject, payload, msg_id=msg_id)
            except (BusUnavailable, BusFull) as error:
                self._metrics.bus_retries.inc()
                _log.warning("publish_retried", msg_id=msg_id, detail=str(error))
                if give_up_when_full and isinstance(error, BusFull):
                    return False
            else:
                return True
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST_SECONDS)


def _publication(shard: str, progress: Progress, part: int) -> tuple[str, bytes, str]:
    """Return subject, payload and dedup id of a progress."""
    msg_id = f"{progress.ref}.{progress.release}.{progress.attempts}"
    if part:
        msg_id += f".{part}"
    return progress_subject(shard, progress.ref), write_progress(progress), msg_id
