"""Reputation: DNS lists, and what is remembered of somebody."""

from mailweir_gateway.models.base import Shape, Time


class ZoneShape(Shape):
    """How one DNS list fares. The zone itself is never shown: it may hold a key."""

    name: str
    """Its name in the policy."""
    title: str
    """What people are shown."""
    state: str
    """off, healthy, probing, muted or dead."""
    remedy: str
    """Why it is not asked, and what to do about it; empty where it is."""
    muted_until: Time | None
    queries: int
    """Since the process that answered was started."""
    hits: int
    errors: int
    hit_share: float
    """Share of listed answers of late, 0 to 1."""
    usual_share: float
    """What that share has been before."""
    median_ms: float
    """Median time of an answer of late."""
    probed_at: Time | None


class HistoryShape(Shape):
    """What one key has done; counts fade with time."""

    kind: str
    """ip, net, asn, sender, domain or helo."""
    key: str
    messages: float
    spam: float
    mean_score: float
    seen_at: Time | None


class History(Shape):
    """What is remembered of a subject, by each key that it falls under."""

    subject: str
    items: tuple[HistoryShape, ...]
