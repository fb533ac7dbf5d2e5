"""What the service needs of the outside, and what its parts need of each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailweir_core.client import ClientFacts
from mailweir_core.record import Session
from mailweir_policy import Policy
from mailweir_reputation.policy.findings import Finding


@dataclass(frozen=True, slots=True)
class Remembered:
    """What one key has done; numbers are decayed, `seen_at` is in seconds since the epoch."""

    kind: str
    """ip | net | asn | sender | domain | helo."""
    key: str
    messages: float
    spam: float
    total_score: float
    seen_at: float


class Acquaintance(Protocol):
    """What we ourselves know of a client: lists of ours, its past, whom our users write to. Never raises."""

    @property
    def hosts_matter(self) -> bool:
        """Say whether an entry names hosts, so that a client's name may change what holds for it."""
        ...

    async def client(
        self, session: Session, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what is known of a client that has connected; asked again once its name is known."""
        ...

    async def sender(
        self, session: Session, sender: str, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what is known of a sender (empty: the null sender); `client.spf` holds for it."""
        ...

    async def recipients(
        self,
        session: Session,
        sender: str,
        recipients: Sequence[str],
        client: ClientFacts,
        policy: Policy,
        now: float,
    ) -> Sequence[Finding]:
        """Return what is known of the pair of sender and each recipient, in order."""
        ...

    async def history(self, subject: str, now: float) -> Sequence[Remembered]:
        """Return what is remembered of an address, network, domain or mail address."""
        ...
