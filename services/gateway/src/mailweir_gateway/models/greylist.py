"""Greylisting: who is waited for, who is let through."""

from enum import StrEnum

from mailweir_gateway.models.base import Shape, Time
from mailweir_gateway.models.paging import PageQuery


class GreyState(StrEnum):
    """Where an entry stands."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    EXEMPT = "exempt"


class GreyEntry(Shape):
    """One entry."""

    id: str
    state: str
    """pending, authorised or exempt."""
    client: str
    """What stands for the client: a domain that SPF authorised, a host's domain, or a network."""
    sender: str
    """The sender as it is compared."""
    recipient: str
    """The recipient, or its domain; empty for an exempt client."""
    first_at: Time | None
    last_at: Time | None
    due_at: Time | None
    """Let through from this time on."""
    expires_at: Time | None
    """Forgotten at this time."""
    attempts: int
    passes: int
    authorised_by: str
    """Who let it through by hand; empty otherwise."""


class GreyPage(Shape):
    """Entries, the newest first."""

    items: tuple[GreyEntry, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class GreyQuery(PageQuery):
    """Which entries."""

    state: GreyState | None = None


class Forecast(Shape):
    """What greylisting did, or in log-only mode would have done."""

    since: Time | None
    log_only: bool
    """Whether deferrals are only logged now."""
    log_only_until: Time | None
    """None has no end, or it is over."""
    checked: int
    """Recipients that were looked at."""
    deferred: int
    """Of these, how many were, or would have been, deferred at first sight."""
    returned: int
    """Of these, how many came back after the delay."""
    lost: int
    """Of these, how many never came back in time."""
    median_wait_ms: float
    """Median wait of those that came back."""
