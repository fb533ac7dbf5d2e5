"""Bans: who is turned away, and why."""

from typing import Final

from pydantic import Field

from mailweir_core.bans import MAX_EVIDENCE, MAX_SUBJECT
from mailweir_gateway.models.base import Asked, Shape, Time

LONGEST_SECONDS: Final = 315_360_000.0
"""Ten years; what is to last longer has no end."""


class BanShape(Shape):
    """One ban."""

    subject: str
    """A network in CIDR form, or `account:<login>`."""
    kind: str
    """What it is for: connections, login, unknown-user, relay, reset, score, listed, size, trap, content or
    manual."""
    code: str
    """The letter that admins know the kind by."""
    evidence: str
    since: Time
    until: Time | None
    """None has no end."""
    strikes: int
    """How often this subject was banned in a row."""
    close_all: bool
    """Whether every open session of the subject was ended."""
    by: str
    """`intrusion`, or the key that asked for it."""
    hits: int
    """How many connections it turned away."""


class BanPage(Shape):
    """Bans, by subject."""

    items: tuple[BanShape, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class NewBan(Asked):
    """A ban by hand."""

    subject: str = Field(min_length=1, max_length=MAX_SUBJECT, examples=["192.0.2.0/24"])
    """Address, network in CIDR form, or `account:<login>`."""
    seconds: float = Field(0.0, ge=0.0, le=LONGEST_SECONDS)
    """For how long; 0 has no end."""
    reason: str = Field("", max_length=MAX_EVIDENCE)
    close_all: bool = True
    """Whether every open session of the subject is ended at once."""
