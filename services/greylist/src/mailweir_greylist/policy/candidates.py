"""Who is asked to come back, before the store is looked at: cheap, and most mail ends here."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from mailweir_core.items import Item, ItemKind, address_key, parse_item
from mailweir_core.net import NetworkSet, parse_ip
from mailweir_greylist.policy.keys import authorised_domain
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistMode, GreylistPolicy

_KEPT: Final = 8  # policies in force one after the other


class Spared(StrEnum):
    """Why nobody is asked to come back."""

    OFF = "off"
    OURS = "ours"  # authenticated, a trusted network, or the submission door
    ALLOWED = "allowed"  # on an allow list
    KNOWN = "known"  # a mail server or sender whose mail is wanted
    BYPASSED = "bypassed"
    NULL_SENDER = "null-sender"  # bounces come once: they are never kept
    UNSUSPICIOUS = "unsuspicious"
    CLEAN_BEFORE = "clean-before"  # adaptive: the last message was no spam
    EXEMPT = "exempt"  # the client has come back often enough


WORDS: Final = {
    Spared.OFF: "greylisting is switched off",
    Spared.OURS: "one of our own users or networks",
    Spared.ALLOWED: "on an allow list",
    Spared.KNOWN: "known for mail that is wanted",
    Spared.BYPASSED: "on a bypass list",
    Spared.NULL_SENDER: "the null sender is never kept waiting",
    Spared.UNSUSPICIOUS: "not suspicious",
    Spared.CLEAN_BEFORE: "its last message was no spam",
    Spared.EXEMPT: "the client has come back often enough",
}


@dataclass(frozen=True, slots=True)
class Names:
    """Bypass items by how they are compared."""

    networks: NetworkSet
    exact: frozenset[str]
    below: frozenset[str]

    def has_mailbox(self, address: str) -> bool:
        """Say whether an address, its domain, or one above it is named."""
        key = address_key(address)
        domain = key.rpartition("@")[2]
        return key in self.exact or domain in self.exact or self._has_below(domain, itself=True)

    def has_host(self, host: str) -> bool:
        """Say whether a confirmed name or one above it is named."""
        name = host.casefold().rstrip(".")
        return name in self.exact or self._has_below(name, itself=False)

    def _has_below(self, name: str, *, itself: bool) -> bool:
        if not self.below:
            return False
        labels = name.split(".")
        return any(
            ".".join(labels[i:]) in self.below for i in range(0 if itself else 1, len(labels))
        )


@lru_cache(maxsize=3 * _KEPT)
def names(items: tuple[str, ...]) -> Names:
    """Return a bypass list ready to be compared with; its items are valid, the policy has seen to it."""
    parsed: list[Item] = [parse_item(text) for text in items]
    return Names(
        NetworkSet(net for item in parsed for net in item.networks),
        frozenset(i.name for i in parsed if i.kind is not ItemKind.NETWORK and not i.below),
        frozenset(i.name for i in parsed if i.below),
    )


def spared(question: Question, policy: GreylistPolicy) -> Spared | None:
    """Return why no recipient of a transaction is put off; None sends it to the store."""
    session, client = question.session, question.client
    if policy.mode is GreylistMode.OFF:
        return Spared.OFF
    if not session.is_foreign:
        return Spared.OURS
    if client.allowed:
        return Spared.ALLOWED
    if not question.sender:
        return Spared.NULL_SENDER
    if client.known:
        return Spared.KNOWN
    if _bypassed(question, policy):
        return Spared.BYPASSED
    return None if _concerned(question, policy) else Spared.UNSUSPICIOUS


def spared_recipient(recipient: str, policy: GreylistPolicy) -> bool:
    """Say whether a recipient's mail is never put off."""
    return bool(policy.bypass_recipients) and names(policy.bypass_recipients).has_mailbox(recipient)


def suspicious(question: Question, policy: GreylistPolicy) -> bool:
    """Say whether the edge found enough against a client."""
    return question.client.suspicion >= policy.suspicion


def _concerned(question: Question, policy: GreylistPolicy) -> bool:
    """Say whether the mode asks such a client at all; after the data, only the content's score counts."""
    if question.score is not None:
        return policy.score is not None and question.score >= policy.score
    return policy.mode is not GreylistMode.SUSPICIOUS or suspicious(question, policy)


def _bypassed(question: Question, policy: GreylistPolicy) -> bool:
    if policy.bypass_clients:
        clients = names(policy.bypass_clients)
        if parse_ip(question.session.client_ip) in clients.networks:
            return True
        if question.client.host and clients.has_host(question.client.host):
            return True
    if not policy.bypass_senders or not authorised_domain(question):
        return False
    return names(policy.bypass_senders).has_mailbox(question.sender)
