"""Whether mail is scanned for malware, and what becomes of it then."""

from enum import StrEnum

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Bytes


class OnInfected(StrEnum):
    """What becomes of infected mail."""

    REJECT = "reject"  # 550
    HOLD = "hold"  # quarantine, for the admin alone


class AntivirusPolicy(PolicyModel):
    """The virus scanner; where it listens is a setting of the process (`MAILWEIR_SCORING_CLAMD`).

    What follows where it gives no answer is the stage's policy: `scoring.stages.antivirus`, `tempfail` by
    default.
    """

    enabled: bool = True
    """Scan where the process knows a scanner."""
    timeout_seconds: float = Field(5.0, gt=0, le=120)
    """For one scan, waiting for a free connection included; the stage's budget may end before it."""
    max_bytes: Bytes = 26_214_400
    """Of one message, that are scanned, from its beginning; not more than clamd's `StreamMaxLength`."""
    on_infected: OnInfected = OnInfected.REJECT
