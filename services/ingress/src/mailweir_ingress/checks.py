"""The checks that other services answer, and what stands in a record for those that are not deployed."""

from typing import Final

from mailweir_core.outcome import Outcome, Status

CHECKS: Final = ("reputation", "greylist", "ratelimit")
"""In the order a session meets them."""

ABSENT: Final = tuple(Outcome(name, Status.SKIPPED, detail="not deployed") for name in CHECKS)
"""What they say of every message while their services are not there: skipped, as the policy declares."""
