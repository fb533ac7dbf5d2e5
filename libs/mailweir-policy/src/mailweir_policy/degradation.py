"""What the absence or failure of a whole service leads to: one table."""

from enum import StrEnum

from pydantic import Field

from mailweir_policy.base import PolicyModel


class OnOutage(StrEnum):
    """What follows when a service cannot answer."""

    SKIP = "skip"  # go on; the verdict's record and header name what was skipped
    TEMPFAIL = "tempfail"  # 451
    HOLD = "hold"  # take it and hold it for a later scan


class DegradationPolicy(PolicyModel):
    """By service that the ingress asks. A service that is not deployed is always skipped."""

    reputation: OnOutage = OnOutage.SKIP
    greylist: OnOutage = OnOutage.SKIP
    ratelimit: OnOutage = OnOutage.SKIP
    scoring: OnOutage = OnOutage.TEMPFAIL
    hold_after_attempts: int = Field(3, ge=1, le=100)
    """From this attempt of the same message on, a tempfail for want of a verdict becomes a hold."""
