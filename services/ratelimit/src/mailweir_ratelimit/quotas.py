"""Outbound limits: each message counted once, for its user and its domain, exact over all processes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from mailweir_core.clock import Clock
from mailweir_policy.ratelimit import OutboundPolicy, Unit
from mailweir_ratelimit.policy import quota as quotas
from mailweir_ratelimit.policy.allowance import Allowance
from mailweir_ratelimit.policy.outbound import Reached, reached
from mailweir_ratelimit.policy.quota import Amount, Charged, Quota
from mailweir_ratelimit.ports import Cells, CellsAway, Change


@dataclass(frozen=True, slots=True)
class Sending:
    """A message that a user sends."""

    ref: str
    login: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a message was counted: `over` names the limit and unit that it is too much for.

    `day` is the day that it was counted on. `failed`: the quota is away, in words; then it is not limited.
    """

    over: tuple[Allowance, Unit] | None = None
    day: str = ""
    failed: str = ""


class Quotas:
    """Counts what users send."""

    def __init__(self, cells: Cells, clock: Clock, tell: Callable[[Reached], None]) -> None:
        """Keep the quotas in `cells`; `tell` is given what is reached, until it is marked as told."""
        self._cells = cells
        self._clock = clock
        self._tell = tell

    async def charge(
        self, mail: Sending, allowances: Sequence[Allowance], policy: OutboundPolicy
    ) -> Standing:
        """Count a message in every quota, or in none; never raises."""
        day = quotas.day_of(self._clock.now(), policy.timezone)
        done: list[tuple[Allowance, str]] = []
        for allowance in allowances:
            try:
                charged = await self._charge(mail, allowance, day)
            except CellsAway as error:
                return Standing(day=day, failed=str(error))
            for news in reached(charged, allowance, policy.warn_share):
                self._tell(news)
            if charged.over is not None:
                await self._take_back(mail, done)
                return Standing((allowance, charged.over), charged.quota.day)
            done.append((allowance, charged.quota.day))
        return Standing(day=day)

    async def discharge(self, mail: Sending, allowances: Sequence[Allowance], day: str) -> None:
        """Take a message out of the quotas that counted it on a day."""
        await self._take_back(mail, [(allowance, day) for allowance in allowances])

    async def told(self, news: Reached) -> None:
        """Note that somebody was told, so that it is told once a day; raises CellsAway."""

        def step(value: bytes | None) -> Change[None]:
            quota = quotas.load(value)
            if quota.day != news.day or news.name in quota.told:
                return Change(None)
            noted = replace(quota, told=(*quota.told, news.name)[-quotas.MAX_TOLD :])
            return Change(None, quotas.dump(noted), quotas.TTL_SECONDS)

        await self._cells.change(news.allowance.key, step, sure=True)

    async def read(self, allowances: Sequence[Allowance]) -> Sequence[Quota]:
        """Return the quotas as they are stored; raises CellsAway."""
        values = await self._cells.read([allowance.key for allowance in allowances])
        return [quotas.load(value) for value in values]

    async def _charge(self, mail: Sending, allowance: Allowance, day: str) -> Charged:
        def step(value: bytes | None) -> Change[Charged]:
            charged = quotas.charge(quotas.load(value), day, mail.amount, allowance.limit, mail.ref)
            if not charged.taken or charged.again:
                return Change(charged)
            return Change(charged, quotas.dump(charged.quota), quotas.TTL_SECONDS)

        return await self._cells.change(allowance.key, step, sure=True)

    async def _take_back(self, mail: Sending, counted: Sequence[tuple[Allowance, str]]) -> None:
        for allowance, day in counted:
            with suppress(CellsAway):  # it stays counted, which is safe; the cells' metrics show it
                await self._cells.change(allowance.key, partial(_less, mail, day), sure=True)


def _less(mail: Sending, day: str, value: bytes | None) -> Change[None]:
    left = quotas.discharge(quotas.load(value), day, mail.amount, mail.ref)
    if left is None:
        return Change(None)
    return Change(None, quotas.dump(left), quotas.TTL_SECONDS)
