"""What admins ask: how far limits are used, what buckets hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.clock import Clock
from mailweir_ratelimit.policy import bucket as buckets, gcra, quota as quotas
from mailweir_ratelimit.policy.allowance import KEYS, Allowance, Kind
from mailweir_ratelimit.policy.gcra import rate_of
from mailweir_ratelimit.policy.usage import (
    Usage,
    allowance_of,
    bucket_keys,
    held_by_subject,
    subject_of_key,
    usage_of,
)
from mailweir_ratelimit.ports import Cells
from mailweir_ratelimit.rules import Rules
from mailweir_ratelimit.waiting import WaitingList

PAGE: Final = 100
LONGEST_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Usage by subject; `next` is empty at the end."""

    entries: tuple[Usage, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class BucketState:
    """What one bucket holds. `empty_at`: seconds since the epoch."""

    limit: str
    value: str
    unit: str
    used: float
    capacity: float
    empty_at: float


class Reporter:
    """Reads; changes nothing."""

    def __init__(
        self, rates: Cells, quota_cells: Cells, waiting: WaitingList, clock: Clock
    ) -> None:
        """Take where counters and quotas lie."""
        self._rates = rates
        self._quotas = quota_cells
        self._waiting = waiting
        self._clock = clock

    async def usage(self, subject: str, limit: int, cursor: str, rules: Rules) -> UsagePage:
        """Return a page of usage, of one user or domain or of all that sent today; raises CellsAway."""
        outbound = rules.policy.ratelimit.outbound
        day = quotas.day_of(self._clock.now(), outbound.timezone)
        held = held_by_subject(Counter(one.login for one in await self._waiting.all()))
        found = await self._quotas_of(subject.strip().casefold(), rules, held)
        rows = sorted(
            (
                row
                for allowance, quota in found
                for row in usage_of(
                    allowance,
                    quota,
                    held[allowance.kind, allowance.subject],
                    day,
                    outbound.timezone,
                )
                if row.place > cursor
            ),
            key=lambda row: row.place,
        )
        size = min(limit or PAGE, LONGEST_PAGE)
        return UsagePage(tuple(rows[:size]), rows[size - 1].place if len(rows) > size else "")

    async def _quotas_of(
        self, subject: str, rules: Rules, held: Mapping[tuple[Kind, str], int]
    ) -> Sequence[tuple[Allowance, quotas.Quota]]:
        if subject:
            kind = Kind.USER if "@" in subject else Kind.DOMAIN
            allowances = [allowance_of(kind, subject, rules.allowances)]
            values = await self._quotas.read([one.key for one in allowances])
            return [(allowances[0], quotas.load(values[0]))]
        stored = {name: quotas.Quota() for name in held}
        for prefix in KEYS.values():
            for key, value in await self._quotas.scan(prefix):
                found = subject_of_key(key)
                if found is not None:
                    stored[found] = quotas.load(value)
        return [
            (allowance_of(kind, name, rules.allowances), quota)
            for (kind, name), quota in stored.items()
        ]

    async def buckets(self, subject: str, rules: Rules) -> Sequence[BucketState]:
        """Return what the buckets hold that a subject counts in alone; raises CellsAway."""
        now = self._clock.now()
        limits = [one for one in rules.policy.ratelimit.limits if one.enabled]
        wanted = bucket_keys(subject, limits)
        values = await self._rates.read([key for _, _, key in wanted])
        states = []
        for (limit, value, key), stored in zip(wanted, values, strict=True):
            bucket = buckets.load(stored)
            take = buckets.Take(
                key, rate_of(limit.count, limit.seconds, limit.burst), corrected=limit.scaled
            )
            rate = buckets.effective(take, bucket)
            states.append(
                BucketState(
                    limit.name, value, limit.unit, gcra.used(bucket.state, now, rate),
                    float(rate.burst), max(now, gcra.empty_at(bucket.state)),
                )
            )  # fmt: skip
        return states
