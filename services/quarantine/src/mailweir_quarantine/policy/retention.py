"""What is old enough to go."""

from dataclasses import dataclass
from typing import Final

from mailweir_policy import QuarantinePolicy

DAY: Final = 86_400.0
BODY_GRACE_SECONDS: Final = 300.0
"""A body stays this long after delivery's last word: a hand-out that was repeated may still read it."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Times in seconds since the epoch: what is older goes."""

    held: float
    records: float
    bodies: float


def cutoffs(policy: QuarantinePolicy, now: float) -> Cutoffs:
    """Return what is too old at `now`: held mail, records, and bodies of mail that is on its way."""
    return Cutoffs(
        held=now - policy.keep_days * DAY,
        records=now - policy.keep_records_days * DAY,
        bodies=now - BODY_GRACE_SECONDS,
    )
