"""What is done on a timer: the outbox, retention, the gauges."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mailweir_core.clock import Clock
from mailweir_quarantine.metrics import QuarantineMetrics
from mailweir_quarantine.policy.retention import cutoffs
from mailweir_quarantine.policy.state import Command
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.releases import Releases
from mailweir_runtime.bus.ports import BusError
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlError

OUTBOX_SECONDS: Final = 5.0
RETENTION_SECONDS: Final = 60.0
BATCH: Final = 500
"""Messages that one transaction of the retention ends: no reader waits long for it."""
ROUNDS: Final = 100
"""Batches of each kind in one go; what is left waits for the next."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What goes on without anybody asking."""

    store: RecordStore
    releases: Releases
    config: HasPolicy
    metrics: QuarantineMetrics
    clock: Clock

    async def work_off_outbox(self) -> None:
        """Work the outbox off at once and then every few seconds, until cancelled."""
        await self._for_ever(OUTBOX_SECONDS, "outbox", self._outbox)

    async def keep_retention(self) -> None:
        """End what is too old at once and then every minute, until cancelled."""
        await self._for_ever(RETENTION_SECONDS, "retention", self.retention)

    async def _outbox(self) -> None:
        await self.releases.work_off()
        held, waiting = await self.store.waiting()
        self.metrics.held.set(held)
        self.metrics.outbox.set(waiting)

    async def retention(self) -> None:
        """End what is too old at present; raises BusError, SqlError."""
        cut = cutoffs(self.config.current.policy.quarantine, self.clock.now())
        await self._expire(cut.held)
        await self.releases.remove_bodies(cut.bodies)
        for _ in range(ROUNDS):
            purged = await self.store.purge(cut.records, BATCH, self.clock.now())
            self.metrics.expired.labels("record").inc(purged)
            if purged < BATCH:
                return

    async def _expire(self, received_before: float) -> None:
        for _ in range(ROUNDS):
            refs = await self.store.expired(received_before, BATCH)
            results = await self.store.command(refs, Command.EXPIRE, self.clock.now())
            ended = [result.ref for result in results if result.effect]
            self.metrics.expired.labels("held").inc(len(ended))
            if ended:
                _log.info("held_mail_expired", messages=len(ended))
            if len(refs) < BATCH:
                return

    async def _for_ever(
        self, seconds: float, operation: str, work: Callable[[], Awaitable[None]]
    ) -> None:
        while True:
            try:
                with self.metrics.counting(operation):
                    await work()
            except (BusError, SqlError) as error:
                _log.warning("upkeep_put_off", operation=operation, detail=str(error))
            await asyncio.sleep(seconds)
