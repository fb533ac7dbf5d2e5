"""When a deferred message is tried again, and when it is given up (RFC 5321 §4.5.4.1)."""

from typing import Final
from zlib import crc32

from mailweir_policy import RetryPolicy

JITTER: Final = 0.1
"""A wait is shortened or lengthened by up to this part, so that mail deferred together spreads."""


def expires_at(policy: RetryPolicy, accepted_at: float, *, null_sender: bool) -> float:
    """Return when a message is given up, in seconds since the epoch."""
    age = policy.null_sender_expire_seconds if null_sender else policy.expire_seconds
    return accepted_at + age


def next_attempt(
    policy: RetryPolicy, ref: str, attempts: int, now: float, expiry: float
) -> float | None:
    """Return when to try again after `attempts` (from 1) attempts, or None where time ran out.

    Never after `expiry`: the last attempt falls on it. The jitter follows from the reference, so that a
    redelivery comes to the same time.
    """
    if now >= expiry:
        return None
    schedule = policy.schedule_seconds
    wait = schedule[min(max(attempts, 1), len(schedule)) - 1]
    return min(now + wait * _factor(ref, attempts), expiry)


def _factor(ref: str, attempts: int) -> float:
    share = crc32(f"{ref}.{attempts}".encode()) / 0xFFFF_FFFF
    return 1.0 - JITTER + 2 * JITTER * share
