"""Knows nobody: for a service without a memory, and for tests of the other parts."""

from collections.abc import Sequence

from mailweir_core.client import ClientFacts
from mailweir_core.record import Session
from mailweir_policy import Policy
from mailweir_reputation.policy.findings import NOTHING, Finding
from mailweir_reputation.ports import Remembered


class Strangers:
    """Implements `Acquaintance`; what it answers may be set."""

    def __init__(self, found: Finding = NOTHING, *, hosts_matter: bool = False) -> None:
        """Answer `found` to every question."""
        self.found = found
        self.hosts_matter = hosts_matter

    async def client(
        self, session: Session, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what was set."""
        del session, client, policy, now
        return self.found

    async def sender(
        self, session: Session, sender: str, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what was set."""
        del session, sender, client, policy, now
        return self.found

    async def recipients(
        self,
        session: Session,
        sender: str,
        recipients: Sequence[str],
        client: ClientFacts,
        policy: Policy,
        now: float,
    ) -> Sequence[Finding]:
        """Return what was set, for each recipient."""
        del session, sender, client, policy, now
        return [self.found for _ in recipients]

    async def history(self, subject: str, now: float) -> Sequence[Remembered]:
        """Return nothing."""
        del subject, now
        return ()
