"""The forecast's counts: gathered in the process, and added to those of all processes now and then."""

import asyncio
from typing import Final

from mailweir_greylist.checking import Checker
from mailweir_greylist.metrics import Metrics
from mailweir_greylist.policy.forecast import Counts
from mailweir_greylist.ports import Store, StoreLost
from mailweir_runtime.logs import get_logger

FLUSH_SECONDS: Final = 5.0
"""What a process that is killed loses."""
LEAVE_SECONDS: Final = 1.0

_log = get_logger(__name__)


class Counting:
    """Brings what the checker counted to the store."""

    def __init__(self, checker: Checker, store: Store, metrics: Metrics) -> None:
        """Take both ends."""
        self._checker = checker
        self._store = store
        self._metrics = metrics

    async def run(self) -> None:
        """Flush every few seconds until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.flush()
            except TimeoutError:
                self._metrics.flush_failures.inc()

    async def flush(self) -> None:
        """Add what is new; while the store is away it is kept for the next time."""
        new, self._checker.tally = self._checker.tally, Counts()
        if not new:
            return
        try:
            await self._store.add(new)
        except StoreLost as error:
            self._checker.tally = self._checker.tally.plus(new)
            self._metrics.flush_failures.inc()
            _log.warning("counts_not_stored", detail=str(error))

    async def total(self) -> Counts:
        """Return the counts of all processes, this one's last moments included; raises StoreLost."""
        return (await self._store.counts()).plus(self._checker.tally)
