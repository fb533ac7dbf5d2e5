"""How copies of one mail are counted, and what labels of earlier copies say."""

from enum import StrEnum

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Seconds


class BulkMode(StrEnum):
    """What two mails must share to count as copies."""

    SUBJECT = "subject"  # sender and subject
    SUBJECT_AND_BODY = "subject-and-body"  # both of the others
    BODY = "body"  # the text, but for small changes, or a file


class BulkPolicy(PolicyModel):
    """Copies that came from outside within a window, over all scoring processes."""

    enabled: bool = True
    mode: BulkMode = BulkMode.BODY
    """What two mails must share to count as copies."""
    threshold: int = Field(20, ge=2, le=1_000_000)
    """Copies within the window from which `BULK_SEEN` is found; from ten times as many it counts double."""
    window_seconds: Seconds = 3600.0
    """For how long a copy is counted."""
    aligned_share: float = Field(0.4, ge=0, le=1)
    """Part of the score that counts for mail that is authenticated for the domain of its From."""
    list_share: float = Field(0.1, ge=0, le=1)
    """The same for authenticated mail that says it is a list's, as wanted newsletters do; 0: nothing."""


class FuzzyPolicy(PolicyModel):
    """Copies of mail that was labelled as spam or ham."""

    enabled: bool = True
    least_labels: float = Field(1.0, ge=0.1, le=1000)
    """By how much labels of one kind must outweigh the other for a fingerprint to count."""


class CampaignPolicy(PolicyModel):
    """Campaigns: many copies of one mail, now or before."""

    bulk: BulkPolicy = BulkPolicy()
    fuzzy: FuzzyPolicy = FuzzyPolicy()
