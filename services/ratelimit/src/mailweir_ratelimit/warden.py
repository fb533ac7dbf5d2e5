"""Takes in what was judged: blocks accounts that send spam, and moves what clients may do by their mail."""

import asyncio
from collections.abc import Sequence
from typing import Final

from mailweir_core.clock import Clock
from mailweir_ratelimit.adapters.judged import Unreadable, verdict_from
from mailweir_ratelimit.blocking import AccountBlocker
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.policy.verdicts import Verdict, blocks_account, corrections
from mailweir_ratelimit.ports import CellsAway, Counters
from mailweir_ratelimit.rules import Rules, RulesBook
from mailweir_runtime.bus.ports import Message, TryLater

BATCH: Final = 256
"""Records taken in together: their corrections of one bucket are one write."""
PAUSE_SECONDS: Final = 0.2
"""How long records gather for the next batch; a thief sends for so much longer."""


class Warden:
    """Stream JUDGED. Each record may come again: a block is made once, a correction at most once."""

    def __init__(
        self, blocker: AccountBlocker, counters: Counters, rules: RulesBook, clock: Clock,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        """Take what to act with."""
        self._blocker = blocker
        self._counters = counters
        self._rules = rules
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Take in a batch; raises TryLater, BusError."""
        rules, now = self._rules.current, self._clock.now()
        verdicts = [one for message in messages if (one := await self._read(message)) is not None]
        try:
            for verdict in verdicts:
                if blocks_account(verdict, now):
                    await self._blocker.block(verdict, rules)
        except CellsAway as error:
            raise TryLater(str(error)) from error
        await self._correct(verdicts, rules)

    async def _read(self, message: Message) -> Verdict | None:
        self._metrics.judged.inc()
        try:
            return verdict_from(message)
        except Unreadable as error:
            self._metrics.unreadable.inc()
            await message.park(str(error))
            return None

    async def _correct(self, verdicts: Sequence[Verdict], rules: Rules) -> None:
        wanted = corrections(verdicts, rules.limits, self._clock.now())
        async with asyncio.TaskGroup() as tasks:
            for key, (ham, spam) in wanted.items():
                tasks.create_task(self._counters.correct(key, ham, spam))
