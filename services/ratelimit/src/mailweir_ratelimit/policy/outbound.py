"""What is said when a user or domain is over its outbound limit, and who is told that it comes near."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_policy.ratelimit import Unit
from mailweir_ratelimit.policy.allowance import Allowance, Kind
from mailweir_ratelimit.policy.limits import CHECK
from mailweir_ratelimit.policy.quota import UNITS, Charged, limit_of

_MEBI: Final = 1024 * 1024


class Level(StrEnum):
    """How much of a limit is used."""

    WARN = "warn"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Reached:
    """A level that a user or domain has reached on a day, of one unit."""

    allowance: Allowance
    unit: Unit
    level: Level
    used: int
    day: str

    @property
    def name(self) -> str:
        """Return what a quota notes it by once it is told: `messages:warn`."""
        return f"{self.unit}:{self.level}"

    @property
    def limit(self) -> int:
        """Return how much is allowed."""
        return limit_of(self.allowance.limit, self.unit)


def reached(charged: Charged, allowance: Allowance, warn_share: float) -> tuple[Reached, ...]:
    """Return what has been reached and was not told on that day, the highest level of each unit."""
    quota = charged.quota
    found = []
    for unit in UNITS:
        limit, used = limit_of(allowance.limit, unit), quota.used.of(unit)
        if not limit:
            continue
        if used >= limit or charged.over is unit:
            found.append(Reached(allowance, unit, Level.FULL, used, quota.day))
        elif used >= warn_share * limit:
            found.append(Reached(allowance, unit, Level.WARN, used, quota.day))
    return tuple(one for one in found if one.name not in quota.told)


def over(allowance: Allowance, unit: Unit, ends: float, zone: str) -> Outcome:
    """Return what is said of a message that is over a limit: it is held, not refused."""
    return Outcome(
        CHECK,
        Status.HIT,
        advice=Advice.HOLD,
        reason=Reason.OVER_LIMIT,
        detail=f"{limit_in_words(allowance, unit)} is reached; "
        f"it goes on {time_in_words(ends, zone)}, or as soon as there is room",
    )


def limit_in_words(allowance: Allowance, unit: Unit) -> str:
    """Return `the limit of 200 messages a day of anna@example.com`."""
    whose = "all users of " if allowance.kind is Kind.DOMAIN else ""
    amount = amount_in_words(unit, limit_of(allowance.limit, unit))
    return f"the limit of {amount} a day of {whose}{allowance.subject}"


def amount_in_words(unit: Unit, number: int) -> str:
    """Return `200 messages`, `1 recipient`, `12.5 MiB`."""
    if unit is Unit.BYTES:
        return f"{number / _MEBI:.1f} MiB" if number >= _MEBI else f"{number} bytes"
    return f"{number} {unit.value if number != 1 else unit.value[:-1]}"


def time_in_words(at: float, zone: str) -> str:
    """Return `2026-11-25 at 00:00 (UTC)`."""
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d at %H:%M} ({zone})"
