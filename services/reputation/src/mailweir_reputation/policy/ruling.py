"""Which of the entries that speak of a client or sender holds.

The order, the first that differs decides:

1. the owner: a user's entry before the domain's, before the tenant's, before the system's
2. an entry about the client before one about the sender: nobody can make up an address
3. the closer one: an address before its network, a sender before its domain
4. an allow before a block

An allow by a sender's name counts only where the client is proven to send for the sender's domain; for mail
that claims to be from one of our own domains and comes from nobody of ours, no allow counts at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.entries import EntryKind, OwnerKind
from mailweir_core.items import address_key
from mailweir_core.record import Session
from mailweir_reputation.policy.index import Match, Row

_OWNERS: Final = {
    OwnerKind.USER: 0,
    OwnerKind.DOMAIN: 1,
    OwnerKind.TENANT: 2,
    OwnerKind.SYSTEM: 3,
}


class Claim(StrEnum):
    """What a sender's name is worth."""

    PROVEN = (
        "proven"  # SPF authorises the client for the sender's domain, or it is one of our users
    )
    UNPROVEN = "unproven"
    OURS = "ours"  # a domain of ours, claimed by somebody who has not said who he is


@dataclass(frozen=True, slots=True)
class Ruling:
    """`row` holds; none where nothing does. `unproven` would have been allows, had there been proof."""

    row: Row | None = None
    unproven: tuple[Row, ...] = ()

    @property
    def kind(self) -> EntryKind | None:
        """Return what the entry that holds is for."""
        return None if self.row is None else self.row.terms.kind


def claim_of(
    session: Session, sender: str, client: ClientFacts, our_domains: frozenset[str]
) -> Claim:
    """Return what the sender's name is worth in this session."""
    if session.auth_user or session.trusted:
        return Claim.PROVEN
    if _domain(sender) in our_domains:
        return Claim.OURS
    return Claim.PROVEN if is_proven(sender, client) else Claim.UNPROVEN


def is_proven(sender: str, client: ClientFacts) -> bool:
    """Say whether SPF authorises the client for the sender's own domain; of the null sender nothing is."""
    domain = _domain(sender)
    return bool(domain) and client.spf == "pass" and client.spf_domain.lower() == domain


def rule_for_all(
    matches: Sequence[Match], claim: Claim, now: float, *, yields: bool = True
) -> Ruling:
    """Return what holds for all mail of a client or sender.

    A block that some recipient's own allow may overrule is left to each recipient, and where it `yields` an
    allow that some recipient's block may. What a client is allowed before anybody is named does not: no user
    can take from it what the system gave, such as the exemption from bans.
    """
    ruling = _rule([m for m in matches if m.row.terms.for_all], claim, now)
    narrow = (m for m in matches if not m.row.terms.for_all and _counts(m, claim, now))
    final = ruling.row is None or (ruling.kind is EntryKind.ALLOW and not yields)
    if not final and any(m.row.terms.kind is not ruling.kind for m in narrow):
        return Ruling(None, ruling.unproven)
    return ruling


def rule_for(
    matches: Sequence[Match], recipient: str, tenant: str, claim: Claim, now: float
) -> Ruling:
    """Return what holds for mail to one recipient."""
    key = address_key(recipient)
    return _rule([m for m in matches if concerns(m.row, key, tenant)], claim, now)


def concerns(row: Row, recipient: str, tenant: str) -> bool:
    """Say whether an entry is about mail to a recipient, given by `address_key`."""
    terms = row.terms
    if not terms.owner.covers(recipient, tenant):
        return False
    return not terms.recipients or any(_names(text, recipient) for text in terms.recipients)


def _domain(sender: str) -> str:
    return address_key(sender).rpartition("@")[2]


def _rule(matches: Sequence[Match], claim: Claim, now: float) -> Ruling:
    holding = sorted((m for m in matches if _counts(m, claim, now)), key=_order)
    return Ruling(holding[0].row if holding else None, tuple(_unproven(matches, claim, now)))


def _order(match: Match) -> tuple[int, bool, int, bool]:
    terms = match.row.terms
    return _OWNERS[terms.owner.kind], match.by_name, -match.rank, terms.kind is EntryKind.BLOCK


def _counts(match: Match, claim: Claim, now: float) -> bool:
    if match.row.terms.kind is EntryKind.ALLOW:
        return _allows(match, claim, now)
    return match.row.holds(now)


def _allows(match: Match, claim: Claim, now: float) -> bool:
    if match.row.terms.kind is not EntryKind.ALLOW or not match.row.holds(now):
        return False
    return claim is Claim.PROVEN or (claim is Claim.UNPROVEN and not match.by_name)


def _unproven(matches: Iterable[Match], claim: Claim, now: float) -> Iterator[Row]:
    if claim is not Claim.UNPROVEN:
        return
    for match in matches:
        if match.by_name and match.row.terms.kind is EntryKind.ALLOW and match.row.holds(now):
            yield match.row


def _names(text: str, recipient: str) -> bool:
    """Say whether a recipient in an entry's scope, in normal form, names this one."""
    if not text.startswith("@"):
        return text == recipient
    domain = recipient.rpartition("@")[2]
    if not text.startswith("@."):
        return text[1:] == domain
    return domain == text[2:] or domain.endswith(text[1:])
