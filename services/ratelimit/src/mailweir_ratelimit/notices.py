"""Tells users and the postmaster of limits: at least once for each day and level, and as a rule exactly once.

A quota says what has been told. What is reached and not told comes back here with each message, from every
process; the mails have references made of what they tell, so that the bus takes each once. A quota is marked
when its mails are queued.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from mailweir_core.clock import Clock
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.policy.notice import Letter, limit_letters
from mailweir_ratelimit.policy.outbound import Reached
from mailweir_ratelimit.ports import CellsAway, Outbox
from mailweir_runtime.bus.ports import BusError
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger

MAX_PENDING: Final = 10_000
"""Notices that wait to be sent; more are left to the next message."""
RETRY_SECONDS: Final = 5.0
Mark = Callable[[Reached], Awaitable[None]]
Key = tuple[str, str, str]
_log = get_logger(__name__)


class Notifier:
    """Sends notices in the background: no message waits for them."""

    def __init__(self, outbox: Outbox, config: HasPolicy, clock: Clock, metrics: Metrics) -> None:
        """Send by `outbox`, in the name of the policy's postmaster."""
        self._outbox = outbox
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._pending: dict[Key, Reached] = {}
        self._some = asyncio.Event()

    def tell(self, news: Reached) -> None:
        """Take in what has been reached; what waits already is one."""
        if len(self._pending) < MAX_PENDING:
            self._pending.setdefault((news.allowance.key, news.day, news.name), news)
            self._some.set()

    async def run(self, mark: Mark, retry_seconds: float = RETRY_SECONDS) -> None:
        """Send what comes until cancelled; `mark` notes on the quota what was sent."""
        while True:
            await self._some.wait()
            self._some.clear()
            if not await self.send_pending(mark):
                await asyncio.sleep(retry_seconds)
                self._some.set()

    async def send_pending(self, mark: Mark) -> bool:
        """Send what waits; says whether nothing of it is left."""
        for key, news in list(self._pending.items()):
            policy = self._config.current.policy
            zone = policy.ratelimit.outbound.timezone
            try:
                for letter in limit_letters(news, policy.identity, zone, self._clock.now()):
                    await self.send(letter)
                await mark(news)
            except (BusError, CellsAway) as error:
                self._metrics.notice_failures.inc()
                _log.warning("notice_not_sent", subject=news.allowance.subject, detail=str(error))
                return False
            del self._pending[key]
        return True

    async def send(self, letter: Letter) -> None:
        """Queue one mail; raises BusError."""
        await self._outbox.send(letter)
        self._metrics.notices.labels(letter.kind).inc()
        _log.info("notice_sent", notice=letter.ref, kind=letter.kind)
