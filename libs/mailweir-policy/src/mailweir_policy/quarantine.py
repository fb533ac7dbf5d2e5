"""How long records and held mail are kept."""

from pydantic import Field

from mailweir_policy.base import PolicyModel


class QuarantinePolicy(PolicyModel):
    """Held mail and records."""

    active: bool = True
    """Off: what would be held is tagged and delivered."""
    keep_days: int = Field(30, ge=1, le=3650)
    """Held mail older than this is deleted."""
    keep_records_days: int = Field(90, ge=1, le=3650)
    """Records older than this are deleted."""
