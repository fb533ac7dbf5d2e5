"""Counts of copies: in this process alone, or shared with the others over the bus.

A message never waits for the bus: it is counted here, and what others saw is looked up in a copy that a
watch keeps. Every FLUSH_SECONDS one document of this process replaces the one before, if there is anything
new; while the bus is away, each process goes by its own numbers, and a metric says so.
"""

import asyncio
from typing import Final

from mailweir_core.outcome import Lookup
from mailweir_runtime.bus.ports import Bus, BusError
from mailweir_runtime.bus.topology import CAMPAIGNS
from mailweir_runtime.logs import get_logger
from mailweir_scoring.campaign_metrics import CampaignMetrics
from mailweir_scoring.policy.campaign.model import CampaignAnswer, CampaignQuestion
from mailweir_scoring.policy.campaign.tally import Tally, dump, load

FLUSH_SECONDS: Final = 5.0
"""How often a process tells the others what it saw: one write, however much mail there is."""
LEAVE_SECONDS: Final = 1.0
"""For taking back what was told, when the process ends."""

_log = get_logger(__name__)


class LocalCounts:
    """Counts of this process; also what a test or a single process uses."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tally = Tally()

    async def answer(
        self, questions: tuple[CampaignQuestion, ...], seconds: float
    ) -> tuple[CampaignAnswer, ...]:
        """Count each mail and return its copies; nothing is waited for, so `seconds` always suffice."""
        del seconds
        return tuple(CampaignAnswer(self.tally.count(question)) for question in questions)

    def describe(self, question: CampaignQuestion, answer: CampaignAnswer) -> Lookup | None:
        """Return the look-up; None for mail that is alone, as nearly all is."""
        if answer.copies < 2:
            return None
        keys = sum(map(len, question.families))
        return Lookup(
            "campaign", f"{keys} keys in {question.window:g} s", f"{answer.copies} copies"
        )


class SharedCounts(LocalCounts):
    """Counts of this process and of all others; `run` keeps them up to date."""

    def __init__(self, bus: Bus, instance: str, metrics: CampaignMetrics) -> None:
        """Count for `instance`, which is the key of what this process tells."""
        super().__init__()
        self._bus = bus
        self._instance = instance
        self._metrics = metrics

    async def run(self) -> None:
        """Tell and hear until cancelled; then take back what was told, since nobody updates it any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear())
                tasks.create_task(self._flush_for_ever())
        finally:
            await self._leave()

    async def _hear(self) -> None:
        bucket = await self._bus.bucket(CAMPAIGNS)
        async for entry in bucket.watch():
            if entry.key == self._instance:
                continue
            told = None if entry.value is None else load(entry.value)
            if told is None and entry.value is not None:
                self._metrics.bus_failures.labels("unreadable").inc()
            self.tally.hear(entry.key, told)

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Tell the others what is new; a bus that is away is counted and tried again at the next turn."""
        shared = self._bus.connected
        if self.tally.changed:
            value = dump(self.tally.tell())
            try:
                bucket = await self._bus.bucket(CAMPAIGNS)
                await bucket.put(self._instance, value)
            except BusError as error:
                self.tally.changed = True
                shared = False
                self._metrics.bus_failures.labels("unavailable").inc()
                _log.warning("campaign_counts_not_shared", detail=str(error))
        self._metrics.shared.set(shared)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                bucket = await self._bus.bucket(CAMPAIGNS)
                await bucket.delete(self._instance)
        except (BusError, TimeoutError) as error:  # it runs out by itself
            _log.info("campaign_counts_left_behind", detail=str(error))
