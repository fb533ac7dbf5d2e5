"""What we ourselves know of a client and a sender: lists of ours, their past, whom our users write to."""

from collections.abc import Sequence

from mailweir_core.client import ClientFacts
from mailweir_core.net import parse_ip
from mailweir_core.record import Session
from mailweir_policy import Policy
from mailweir_reputation.listing import Asked, Listing
from mailweir_reputation.past import Past
from mailweir_reputation.policy.findings import NOTHING, Finding, merge
from mailweir_reputation.policy.ruling import Claim, claim_of
from mailweir_reputation.ports import Remembered
from mailweir_runtime.config import HasPolicy


class Acquaintances:
    """Implements `Acquaintance`: never raises; without its store it knows the lists alone."""

    def __init__(self, listing: Listing, past: Past, config: HasPolicy) -> None:
        """Take the two; `config` says how histories fade for who asks about one."""
        self._listing = listing
        self._past = past
        self._config = config

    @property
    def hosts_matter(self) -> bool:
        """Say whether an entry names hosts, so that a client's name may change what holds for it."""
        return self._listing.hosts_matter

    async def client(
        self, session: Session, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what is known of a client that has connected: what lists say, or else its class."""
        address, rules = parse_ip(session.client_ip), policy.reputation
        if address is None:
            return NOTHING
        listed = self._listing.client(Asked(address, client, rules, now))
        if listed.allowed or listed.refuses:
            return listed
        return merge((listed, await self._past.client(address, rules, now)))

    async def sender(
        self, session: Session, sender: str, client: ClientFacts, policy: Policy, now: float
    ) -> Finding:
        """Return what is known of a sender (empty: the null sender); `client.spf` must hold for it."""
        address, rules = parse_ip(session.client_ip), policy.reputation
        if address is None:
            return NOTHING
        claim = _claim(session, sender, client, policy)
        listed = self._listing.sender(Asked(address, client, rules, now, sender, claim))
        if listed.allowed or listed.refuses:
            return listed
        past = await self._past.sender(session, sender, client, address, rules, now)
        return merge((listed, past))

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
        address, rules = parse_ip(session.client_ip), policy.reputation
        if address is None:
            return [NOTHING] * len(recipients)
        claim = _claim(session, sender, client, policy)
        asked = Asked(address, client, rules, now, sender, claim)
        listed = self._listing.recipients(asked, recipients)
        if claim is not Claim.PROVEN or not sender:  # a borrowed name has no friends
            return listed
        friends = await self._past.correspondents(sender, recipients, rules)
        return [merge(pair) for pair in zip(listed, friends, strict=True)]

    async def history(self, subject: str, now: float) -> Sequence[Remembered]:
        """Return what is remembered of an address, network, domain or mail address."""
        rules = self._config.current.policy.reputation.history
        return await self._past.remembered(subject, now, rules)


def _claim(session: Session, sender: str, client: ClientFacts, policy: Policy) -> Claim:
    ours = frozenset(domain.name for domain in policy.relay.domains)
    return claim_of(session, sender, client, ours)
