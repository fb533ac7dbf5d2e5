"""What users and domains have sent today: counted once for each message, by the local day.

A day is a calendar day in the policy's time zone: 200 a day are 200 between midnight and midnight, as people
count them. A window that slides would keep who sends at nine each morning waiting until nine, and one that
refills would let the 201st through after seven minutes.
"""

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from mailweir_policy.ratelimit import OutboundLimit, Unit

REMEMBERED_REFS: Final = 256
"""Messages of which a quota remembers that they are counted; the same one asked again is among them."""
TTL_SECONDS: Final = 2 * 86_400.0
"""How long a quota is kept after its last message: the day it belongs to, wherever in the world."""
MAX_TOLD: Final = 16
UNITS: Final = (Unit.MESSAGES, Unit.RECIPIENTS, Unit.BYTES)


@dataclass(frozen=True, slots=True)
class Amount:
    """So much mail."""

    messages: int = 0
    recipients: int = 0
    bytes: int = 0

    def plus(self, other: "Amount", times: int = 1) -> "Amount":
        """Return the sum with `times` the other, nothing below zero."""
        return Amount(
            max(0, self.messages + times * other.messages),
            max(0, self.recipients + times * other.recipients),
            max(0, self.bytes + times * other.bytes),
        )

    def of(self, unit: Unit) -> int:
        """Return how much of one unit."""
        number: int = getattr(self, unit.value)
        return number


def limit_of(limit: OutboundLimit, unit: Unit) -> int:
    """Return what a limit allows of one unit; 0 is unlimited."""
    number: int = getattr(limit, unit.value)
    return number


@dataclass(frozen=True, slots=True)
class Quota:
    """What was sent on a day. `refs`: tags of the last messages counted; `told`: notices sent on that day."""

    day: str = ""
    used: Amount = Amount()
    refs: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charged:
    """Whether a message was taken (also: had been), the quota after it, and the unit it was too much for."""

    taken: bool
    quota: Quota
    over: Unit | None = None
    again: bool = False
    """Whether it had been counted before."""


def charge(quota: Quota, day: str, amount: Amount, limit: OutboundLimit, ref: str) -> Charged:
    """Count a message on `day` if it fits, once; one without a reference each time."""
    today = on_day(quota, day)
    mark = tag(ref)
    if ref and mark in today.refs:
        return Charged(True, today, again=True)
    used = today.used.plus(amount)
    for unit in UNITS:
        if 0 < limit_of(limit, unit) < used.of(unit):
            return Charged(False, today, over=unit)
    refs = (*today.refs, mark)[-REMEMBERED_REFS:]
    return Charged(True, replace(today, used=used, refs=refs))


def discharge(quota: Quota, day: str, amount: Amount, ref: str) -> Quota | None:
    """Return the quota without a message that was counted on `day`; None where it is not in there."""
    mark = tag(ref)
    if mark not in quota.refs or quota.day != day:
        return None
    at = quota.refs.index(mark)
    refs = quota.refs[:at] + quota.refs[at + 1 :]
    return replace(quota, used=quota.used.plus(amount, -1), refs=refs)


def on_day(quota: Quota, day: str) -> Quota:
    """Return the quota as it is on a day: a later one begins anew, the clock never goes back."""
    return quota if quota.day >= day else Quota(day, refs=quota.refs)


def fits(quota: Quota, day: str, amount: Amount, limit: OutboundLimit, ref: str) -> bool:
    """Say whether a message would be counted, or is counted already."""
    return charge(quota, day, amount, limit, ref).taken


def fits_alone(amount: Amount, limit: OutboundLimit) -> bool:
    """Say whether a message is within a whole day's limit."""
    return all(not 0 < limit_of(limit, unit) < amount.of(unit) for unit in UNITS)


def tag(ref: str) -> str:
    """Return what a quota remembers a message by: 48 bits."""
    digest = hashlib.blake2b(ref.encode(errors="backslashreplace"), digest_size=6).digest()
    return base64.b64encode(digest).decode()


def day_of(now: float, zone: str) -> str:
    """Return the day at a time in seconds since the epoch: `2026-11-24`."""
    return _local(now, zone).date().isoformat()


def day_ends(day: str, zone: str) -> float:
    """Return when a day ends, in seconds since the epoch."""
    following = date.fromisoformat(day) + timedelta(days=1)
    return datetime(
        following.year, following.month, following.day, tzinfo=ZoneInfo(zone)
    ).timestamp()


def _local(now: float, zone: str) -> datetime:
    return datetime.fromtimestamp(now, ZoneInfo(zone))


def dump(quota: Quota) -> bytes:
    """Return the stored form."""
    used = [quota.used.messages, quota.used.recipients, quota.used.bytes]
    document = {"day": quota.day, "used": used, "refs": quota.refs, "told": quota.told}
    return json.dumps(document, separators=(",", ":")).encode()


def load(value: bytes | None) -> Quota:
    """Return the quota of a stored form; an empty one where there is none or it is unreadable."""
    if value is None:
        return Quota()
    try:
        document = json.loads(value)
        day, used = str(document["day"]), document["used"]
        date.fromisoformat(day)
        return Quota(
            day, Amount(*map(_count, used)), _texts(document["refs"]), _texts(document["told"])
        )
    except (ValueError, KeyError, TypeError):
        return Quota()


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a count")
    return max(0, int(value))


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("not a list")
    return tuple(str(one) for one in value[-REMEMBERED_REFS:])
