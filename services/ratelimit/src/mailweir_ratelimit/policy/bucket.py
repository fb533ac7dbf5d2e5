"""A bucket as it is stored: its GCRA state, and how far mail has moved what it takes.

Stored as text: `<state>` or `<state> <rate factor> <burst factor>`. What cannot be read is an empty bucket:
a counter that is lost lets mail pass.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from mailweir_ratelimit.policy import gcra
from mailweir_ratelimit.policy.gcra import Rate

RATE_STEPS: Final = (0.99, 1.01)
BURST_STEPS: Final = (0.98, 1.02)
"""What spam and ham multiply the rate and the burst by."""
RATE_CAP: Final = 5.0
BURST_CAP: Final = 10.0
"""The factors stay between the cap and its inverse."""
CORRECTION_SECONDS: Final = 2 * 86_400.0
"""How long a corrected bucket is remembered after its last use."""
TTL_MARGIN_SECONDS: Final = 60.0
"""Processes' clocks differ; a bucket must not be gone before it is empty for all of them."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket."""

    state: int = gcra.EMPTY
    rate_factor: float = 1.0
    burst_factor: float = 1.0

    @property
    def corrected(self) -> bool:
        """Say whether mail has moved what it takes."""
        return (self.rate_factor, self.burst_factor) != (1.0, 1.0)


def dump(bucket: Bucket) -> bytes:
    """Return the stored form."""
    if not bucket.corrected:
        return str(bucket.state).encode()
    return f"{bucket.state} {bucket.rate_factor:.6f} {bucket.burst_factor:.6f}".encode()


def load(value: bytes | None) -> Bucket:
    """Return the bucket of a stored form; an empty one where there is none or it is unreadable."""
    parts = (value or b"").split()
    try:
        if len(parts) == 1:
            return Bucket(max(gcra.EMPTY, int(parts[0])))
        if len(parts) == 3:
            rate, burst = _within(float(parts[1]), RATE_CAP), _within(float(parts[2]), BURST_CAP)
            return Bucket(max(gcra.EMPTY, int(parts[0])), rate, burst)
    except ValueError:
        return Bucket()
    return Bucket()


def ttl(bucket: Bucket, now: float) -> float:
    """Return for how many seconds from `now` it must be kept."""
    until_empty = max(0.0, gcra.empty_at(bucket.state) - now) + TTL_MARGIN_SECONDS
    return max(until_empty, CORRECTION_SECONDS) if bucket.corrected else until_empty


def correct(bucket: Bucket, ham: int, spam: int) -> Bucket:
    """Return the bucket after so many ham and spam messages."""
    return replace(
        bucket,
        rate_factor=_moved(bucket.rate_factor, RATE_STEPS, ham, spam, RATE_CAP),
        burst_factor=_moved(bucket.burst_factor, BURST_STEPS, ham, spam, BURST_CAP),
    )


def _moved(factor: float, steps: tuple[float, float], ham: int, spam: int, cap: float) -> float:
    moved = factor * steps[1] ** min(ham, 1000) * steps[0] ** min(spam, 1000)
    return round(min(max(moved, 1.0 / cap), cap), 6)


def _within(value: float, cap: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not a number")
    return min(max(value, 1.0 / cap), cap)


@dataclass(frozen=True, slots=True)
class Take:
    """`amount` units for the bucket `key`, which takes what `rate` times `factor` allows.

    `corrected`: whether what mail has done to the bucket counts.
    """

    key: str
    rate: Rate
    amount: int = 1
    factor: float = 1.0
    corrected: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether it was taken; if not, by what rate, and in how many seconds it fits.

    `failed`: the counter is away, in words; then it counts as taken.
    """

    taken: bool
    rate: Rate
    next_seconds: float = 0.0
    failed: str = ""


def effective(request: Take, bucket: Bucket) -> Rate:
    """Return the rate that holds: scaled by the client's class and by what its mail was."""
    if not request.corrected:
        return request.rate.scaled(request.factor, request.factor)
    return request.rate.scaled(
        request.factor * bucket.rate_factor, request.factor * bucket.burst_factor
    )


def take(bucket: Bucket, now: float, request: Take) -> tuple[Bucket | None, Taken]:
    """Return what becomes of the bucket (None: nothing), and the answer."""
    rate = effective(request, bucket)
    poured = gcra.take(bucket.state, now, rate, request.amount)
    if not poured.taken:
        return None, Taken(False, rate, poured.next_seconds)
    return replace(bucket, state=poured.state), Taken(True, rate)


def give(bucket: Bucket, request: Take) -> Bucket:
    """Return the bucket without what was taken by the same request."""
    state = gcra.give(bucket.state, effective(request, bucket), request.amount)
    return replace(bucket, state=state)
