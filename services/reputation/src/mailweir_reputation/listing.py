"""What the entries of our own lists say of a client, a sender and a recipient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.entries import EntryKind
from mailweir_core.net import Address
from mailweir_policy.reputation import ReputationPolicy
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.memory import Entries, HitCounter
from mailweir_reputation.policy.acquaintance import of_ruling, of_unproven
from mailweir_reputation.policy.findings import NOTHING, Finding, merge
from mailweir_reputation.policy.index import Match
from mailweir_reputation.policy.items import Phase
from mailweir_reputation.policy.ruling import Claim, Ruling, rule_for, rule_for_all

TENANT: Final = "default"
"""Whose all mail is, as long as a policy knows one tenant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom it is about: a client, and from MAIL on a sender and what its name is worth."""

    address: Address
    client: ClientFacts
    rules: ReputationPolicy
    now: float
    sender: str = ""
    claim: Claim = Claim.UNPROVEN


class Listing:
    """Looks entries up and counts what each decides, once a session and phase."""

    def __init__(self, entries: Entries, hits: HitCounter, metrics: AcquaintanceMetrics) -> None:
        """Take the entries in force and where hits are counted."""
        self._entries = entries
        self._hits = hits
        self._metrics = metrics

    @property
    def hosts_matter(self) -> bool:
        """Say whether an entry names hosts."""
        return self._entries.index.hosts_matter

    def client(self, asked: Asked) -> Finding:
        """Return what holds for a client before it said who sends."""
        ruling = _of_client(self._about_client(asked), asked.now)
        valid = _valid_seconds(ruling, asked)
        return replace(self._take(ruling, Phase.CONNECT, asked), valid_seconds=valid)

    def sender(self, asked: Asked) -> Finding:
        """Return what holds for a sender, whoever the recipients are."""
        client = self._about_client(asked)
        ruling = rule_for_all([*client, *self._about_sender(asked)], asked.claim, asked.now)
        said = _of_client(client, asked.now)
        unproven = of_unproven([row for row in ruling.unproven if row.terms.for_all])
        if said.kind is EntryKind.ALLOW and ruling.kind is not EntryKind.ALLOW:
            unproven = replace(unproven, forfeits=True)
        if ruling.row is said.row:
            return merge((_told(ruling), unproven))
        return merge((self._take(ruling, Phase.MAIL, asked), unproven))

    def recipients(self, asked: Asked, recipients: Sequence[str]) -> list[Finding]:
        """Return what holds for mail to each recipient beyond what holds for all."""
        matches = [*self._about_client(asked), *self._about_sender(asked)]
        said = rule_for_all(matches, asked.claim, asked.now)
        return [self._recipient(matches, each, said, asked) for each in recipients]

    def _recipient(
        self, matches: Sequence[Match], recipient: str, said: Ruling, asked: Asked
    ) -> Finding:
        ruling = rule_for(matches, recipient, TENANT, asked.claim, asked.now)
        unproven = of_unproven([row for row in ruling.unproven if not row.terms.for_all])
        if ruling.row is said.row:
            return merge((_told(ruling), unproven))
        return merge((self._take(ruling, Phase.RCPT, asked), unproven))

    def _about_client(self, asked: Asked) -> list[Match]:
        index = self._entries.index
        return [*index.of_address(asked.address), *index.of_host(asked.client.host)]

    def _about_sender(self, asked: Asked) -> list[Match]:
        return list(self._entries.index.of_sender(asked.sender))

    def _take(self, ruling: Ruling, phase: Phase, asked: Asked) -> Finding:
        """Return what an entry comes to, and count its hit."""
        found = of_ruling(ruling, phase, asked.rules)
        if ruling.row is not None and found is not NOTHING:
            self._hits.count(ruling.row.id, asked.now)
            self._metrics.entry_hits.labels(ruling.row.terms.kind).inc()
        return found


def _of_client(matches: Sequence[Match], now: float) -> Ruling:
    return rule_for_all(matches, Claim.UNPROVEN, now, yields=False)


def _told(ruling: Ruling) -> Finding:
    """Return what is left to say where an earlier phase named the entry: an allow still holds."""
    return Finding(allowed=True, known=True) if ruling.kind is EntryKind.ALLOW else NOTHING


def _valid_seconds(ruling: Ruling, asked: Asked) -> float:
    """Return for how long it holds: not beyond the entry, nor for long, since new ones may come."""
    most = asked.rules.entry_valid_seconds
    expires = 0.0 if ruling.row is None else ruling.row.expires
    return min(most, expires - asked.now) if expires else most
