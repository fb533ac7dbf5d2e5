"""Limits: how far they are used, and what our users may send."""

from typing import Final

from pydantic import Field

from mailweir_gateway.models.base import Asked, Shape, Time
from mailweir_gateway.models.paging import MAX_TEXT, Paged

MOST_MESSAGES: Final = 1_000_000_000
MOST_BYTES: Final = 1 << 50


class UsageShape(Shape):
    """How far one outbound limit is used."""

    subject: str
    """A login, or a domain."""
    kind: str
    """user or domain."""
    unit: str
    """messages, recipients or bytes."""
    used: float
    limit: float
    """0 is no limit."""
    source: str
    """Where the limit comes from: a path in the policy."""
    held: int
    """How many messages wait for it."""
    next_at: Time | None
    """When the next one fits; None is now."""


class UsagePage(Shape):
    """Usage, by subject."""

    items: tuple[UsageShape, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class UsageQuery(Paged):
    """Which usage."""

    subject: str = Field("", max_length=MAX_TEXT)
    """A login, or a domain; empty is all."""


class BucketShape(Shape):
    """What one counter of an inbound limit holds."""

    limit: str
    """The limit's name in the policy."""
    key: str
    """What it counts by."""
    unit: str
    """connections, recipients, messages or bytes."""
    used: float
    capacity: float
    empty_at: Time | None


class Buckets(Shape):
    """The counters that a subject counts in."""

    subject: str
    items: tuple[BucketShape, ...]


class DayLimit(Asked):
    """What may be sent in a day; 0 is unlimited."""

    messages: int = Field(0, ge=0, le=MOST_MESSAGES)
    recipients: int = Field(0, ge=0, le=MOST_MESSAGES)
    bytes: int = Field(0, ge=0, le=MOST_BYTES)


class DomainDayLimit(Asked):
    """The limits of one of our domains."""

    total: DayLimit = DayLimit()
    """Of all its users together."""
    users: DayLimit | None = None
    """Of each user; none takes what holds for everybody."""


class GrantShape(Shape):
    """A limit as it holds, and where it comes from."""

    messages: int
    """0 is unlimited, here and below."""
    recipients: int
    bytes: int
    source: str
    """A path in the policy."""


class UserLimits(Shape):
    """What a user may send in a day: both limits hold."""

    login: str
    user: GrantShape
    """Its own."""
    domain: GrantShape
    """That of all users of its domain together."""
    version: str
    """The policy that says so."""


class DomainLimits(Shape):
    """What the users of a domain may send in a day."""

    domain: str
    total: GrantShape
    """All together."""
    users: GrantShape
    """Each that has no limit of its own."""
    version: str
    """The policy that says so."""
