"""Letting held mail out, and deleting it.

A release is one transaction: the message becomes `released` and an entry stands in the outbox. Then the
entry is published to delivery, and removed once the broker has it. A crash between any two steps leaves
either nothing done or an entry in the outbox, which is worked off at start and on a timer.

An entry may have been published before the crash. The broker knows the id of what it took within its window;
for the time beyond, the streams themselves are asked: the message still waits in MAIL, or its delivery has
begun and DELIVERY says so. In that order, since delivery writes its progress before it takes a message off
MAIL. Delivery does its part by looking its own progress of (ref, release) up.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from mailweir_core.clock import Clock
from mailweir_quarantine.adapters.events import Undecodable, progress_from, release_in, released
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.policy.state import Command
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.values import Outgoing, Result
from mailweir_runtime.bus.ports import Bus, BusError
from mailweir_runtime.bus.topology import DELIVERY, MAIL, deliver_subject, progress_subject
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlError

BATCH: Final = 100
"""Entries of the outbox, or bodies, that are worked on between two looks at the store."""
HAND_OVER_SECONDS: Final = 2.0
"""How long whoever asked waits for the broker; what is not done by then is done later."""

_log = get_logger(__name__)


class Releases:
    """What an admin may do with held mail."""

    def __init__(
        self, store: RecordStore, bus: Bus, metrics: QuarantineMetrics, clock: Clock
    ) -> None:
        """Take what to work with."""
        self._store = store
        self._bus = bus
        self._metrics = metrics
        self._clock = clock

    async def release(self, refs: Sequence[str], actor: str) -> list[Result]:
        """Let messages out; one result per ref, in order. Raises SqlError, then nothing was done.

        A message counts as released once the transaction is through, whether or not the broker answers.
        """
        with self._metrics.counting("command"):
            results = await self._store.command(refs, Command.RELEASE, self._clock.now())
        changed = [result.ref for result in results if result.effect]
        self._metrics.releases.inc(len(changed))
        for ref in changed:
            _log.info("message_released", ref=ref, actor=actor)
        if changed:
            await self._hand_over_now(changed)
        return results

    async def _hand_over_now(self, refs: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                with self._metrics.counting("outbox"):
                    for outgoing in await self._store.outbox(len(refs), refs):
                        await self._publish(outgoing)
        except (BusError, SqlError, TimeoutError) as error:
            _log.warning("release_waits", detail=str(error))  # the outbox is worked off later

    async def delete(self, refs: Sequence[str], actor: str) -> list[Result]:
        """Delete held messages; one result per ref, in order. Raises SqlError, then nothing was done."""
        with self._metrics.counting("command"):
            results = await self._store.command(refs, Command.DELETE, self._clock.now())
        changed = [result.ref for result in results if result.effect]
        self._metrics.deletions.inc(len(changed))
        for ref in changed:
            _log.info("message_deleted", ref=ref, actor=actor)
        if changed:
            await self._remove_bodies_now(changed)
        return results

    async def _remove_bodies_now(self, refs: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                with self._metrics.counting("retention"):
                    await self.remove_bodies(self._clock.now(), refs)
        except (BusError, SqlError, TimeoutError) as error:
            _log.warning("bodies_wait", detail=str(error))  # the retention removes them later

    async def remove_bodies(self, before: float, refs: Sequence[str] = ()) -> int:
        """Remove bodies not needed since `before`; returns how many. Raises BusError, SqlError."""
        removed = 0
        while spent := await self._store.spent_bodies(before, BATCH, refs):
            for _, key in spent:
                await self._bus.bodies.delete(key)
            await self._store.forget_bodies([ref for ref, _ in spent])
            removed += len(spent)
            self._metrics.bodies_removed.inc(len(spent))
        return removed

    async def work_off(self) -> int:
        """Hand over what earlier attempts left in the outbox; returns how many. Raises BusError, SqlError."""
        done = 0
        while waiting := await self._store.outbox(BATCH):
            for outgoing in waiting:
                if await self._was_published(outgoing):
                    await self._store.handed_over(outgoing.ref, outgoing.release)
                else:
                    await self._publish(outgoing)
                done += 1
        return done

    async def _publish(self, outgoing: Outgoing) -> None:
        subject = deliver_subject(outgoing.shard, outgoing.ref)
        msg_id = f"{outgoing.ref}.release.{outgoing.release}"
        await self._bus.publish(subject, released(outgoing), msg_id=msg_id)
        await self._store.handed_over(outgoing.ref, outgoing.release)
        self._metrics.handed_over.inc()

    async def _was_published(self, outgoing: Outgoing) -> bool:
        ref, shard = outgoing.ref, outgoing.shard
        waiting = await self._bus.last(MAIL, deliver_subject(shard, ref))
        if release_in(waiting) >= outgoing.release:
            return True
        begun = await self._bus.last(DELIVERY, progress_subject(shard, ref))
        try:
            return begun is not None and progress_from(begun).release >= outgoing.release
        except Undecodable as error:
            _log.error("progress_unreadable", ref=ref, detail=str(error))
            return False
