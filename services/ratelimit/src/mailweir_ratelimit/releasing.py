"""Lets out held mail, in the order it came, as soon as its sender's limits have room.

Several processes may do this at once, and any of them may die at any point. A message is taken in hand by
compare-and-set; it is counted at most once, since its quota knows it; the quarantine lets it out once. So
whoever comes next does the rest.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from mailweir_core.clock import Clock
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.policy.allowance import Allowance
from mailweir_ratelimit.policy.quota import day_of, fits, fits_alone
from mailweir_ratelimit.policy.waiting import Waiting, forgettable
from mailweir_ratelimit.ports import CellsAway, HeldMail, QuarantineAway
from mailweir_ratelimit.quotas import Quotas, Sending
from mailweir_ratelimit.rules import Rules
from mailweir_ratelimit.waiting import WaitingList
from mailweir_runtime.logs import get_logger

RELEASED: Final = "released"
DROPPED: Final = "dropped"
PUT_OFF: Final = "put_off"
_log = get_logger(__name__)


class Releaser:
    """Looks what fits."""

    def __init__(
        self, waiting: WaitingList, quotas: Quotas, quarantine: HeldMail, clock: Clock,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        """Take what to let out, and by what."""
        self._waiting = waiting
        self._quotas = quotas
        self._quarantine = quarantine
        self._clock = clock
        self._metrics = metrics

    async def work_off(self, rules: Rules) -> int:
        """Let out what fits now; returns how many. Raises CellsAway, QuarantineAway."""
        messages = await self._waiting.all()
        self._metrics.waiting.set(len(messages))
        full: set[str] = set()
        released = 0
        for message in messages:
            allowances = rules.allowances.of(message.login)
            if full.isdisjoint(one.key for one in allowances) and await self._has_room(
                message, allowances, rules, full
            ):
                released += await self._try(message, allowances, rules)
        return released

    async def _has_room(
        self, message: Waiting, allowances: tuple[Allowance, ...], rules: Rules, full: set[str]
    ) -> bool:
        """Say whether a message fits; who is full is added, so that nothing younger overtakes it."""
        zone = rules.policy.ratelimit.outbound.timezone
        day = day_of(self._clock.now(), zone)
        quotas = await self._quotas.read(allowances)
        over = [
            one
            for one, quota in zip(allowances, quotas, strict=True)
            if not fits(quota, day, message.amount, one.limit, message.ref)
        ]
        # One that is larger than a whole day's limit must not stop all that came after it.
        full.update(one.key for one in over if fits_alone(message.amount, one.limit))
        return not over

    async def _try(self, message: Waiting, allowances: tuple[Allowance, ...], rules: Rules) -> bool:
        if not await self._waiting.claim(message):
            return False
        found = await self._quarantine.look(message.ref)
        if found is None and not forgettable(message, self._clock.now()):
            await self._put_off(message)
            return False
        if found is None or not (found.held and found.over_limit):
            await self._end(
                message, DROPPED
            )  # deleted, released by somebody, or held for its content
            return False
        return await self._let_out(message, allowances, rules)

    async def _let_out(
        self, message: Waiting, allowances: tuple[Allowance, ...], rules: Rules
    ) -> bool:
        mail = Sending(message.ref, message.login, message.amount)
        outbound = rules.policy.ratelimit.outbound
        standing = await self._quotas.charge(mail, allowances, outbound)
        if standing.failed:
            raise CellsAway(standing.failed)
        if standing.over is not None:
            await self._put_off(message)
            return False
        release = await self._quarantine.release(message.ref)
        if release.done:
            await self._end(message, RELEASED)
            return True
        await self._quotas.discharge(mail, allowances, standing.day)
        if release.held:  # its body has not come in yet
            await self._put_off(message)
        else:
            await self._end(message, DROPPED)
        return False

    async def _put_off(self, message: Waiting) -> None:
        await self._waiting.give_back(message)
        self._metrics.waited.labels(PUT_OFF).inc()

    async def _end(self, message: Waiting, how: str) -> None:
        await self._waiting.remove(message)
        self._metrics.waited.labels(how).inc()
        _log.info("waiting_ended", ref=message.ref, login=message.login, how=how)


async def release_forever(
    releaser: Releaser, rules_now: Callable[[], Rules], wake: asyncio.Event, seconds: float
) -> None:
    """Let out what fits every `seconds`, and at once when `wake` is set; runs until cancelled."""
    while True:
        wake.clear()
        try:
            await releaser.work_off(rules_now())
        except (CellsAway, QuarantineAway) as error:
            _log.warning("waiting_mail_stays", detail=str(error))
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            continue
