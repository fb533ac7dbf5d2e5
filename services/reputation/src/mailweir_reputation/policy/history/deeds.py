"""What a judged message says of its client and its sender, and whom it makes a correspondent."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mailweir_core.decision import Action
from mailweir_core.items import address_key
from mailweir_core.net import parse_ip
from mailweir_core.reasons import Reason
from mailweir_reputation.policy.history.keys import (
    Key,
    client_keys,
    digest,
    helo_keys,
    pair_key,
    sender_keys,
)
from mailweir_reputation.policy.history.record import Deed

SUSPICIOUS: Final = 0.5
"""What a message counts as that was tagged."""
MAX_PAIRS: Final = 100
"""Most correspondents that one message makes."""
MARK_LENGTH: Final = 8

_MEASURED: Final = frozenset({Reason.CLEAN, Reason.SUSPICIOUS, Reason.SPAM, Reason.MALWARE})
_BY_REASON: Final = MappingProxyType(
    {Reason.CLEAN: 0.0, Reason.SUSPICIOUS: SUSPICIOUS, Reason.SPAM: 1.0, Reason.MALWARE: 1.0}
)
_RUDE: Final = frozenset({Reason.EARLY_TALKER, Reason.HTTP_VERB, Reason.RELAY_DENIED})
"""What no mail server does; it counts against the client alone, whatever name it gave."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What of a judged event matters here.

    `message`: its data came. `score` is that of the content without what we ourselves said of the client (so
    that a history does not feed on itself), None where it was not judged. `spam_from` and `tag_from` are the
    thresholds, None where they are off. `proven_domains` are those that SPF or a signature vouched for.
    `allowed`: an entry of an allow list spoke for it. `ours`: from one of our users or trusted networks.
    """

    ref: str
    message: bool
    ours: bool
    client_ip: str
    helo: str
    sender: str
    recipients: tuple[str, ...]
    action: str
    reason: str
    at: float
    score: float | None = None
    spam_from: float | None = None
    tag_from: float | None = None
    proven_domains: frozenset[str] = frozenset()
    allowed: bool = False


def deeds_of(judged: Judgement, asn: int, now: float) -> dict[Key, Deed]:
    """Return what is to be counted, by key; nothing for our own mail and where nothing was found out."""
    address = parse_ip(judged.client_ip)
    if address is None or judged.ours:
        return {}
    spam = _spam(judged)
    if spam is None:
        return {}
    mark = digest(judged.ref.encode(errors="replace"))[:MARK_LENGTH]
    deed = Deed(mark, spam, judged.score or 0.0, min(judged.at, now))
    keys = list(client_keys(address, asn))
    if address.version == 6:
        keys = [key for key in keys if "/" not in key.text or key.text.endswith("/64")]
    if judged.message:
        domain = address_key(judged.sender).rpartition("@")[2]
        proven = domain in judged.proven_domains
        keys += [*sender_keys(judged.sender, address, proven=proven), *helo_keys(judged.helo)]
    return dict.fromkeys(keys, deed)


def pairs_of(judged: Judgement, our_domains: frozenset[str]) -> frozenset[str]:
    """Return the keys that say whom one of our users wrote to, where the message was taken."""
    taken = judged.action in (Action.ACCEPT, Action.TAG)
    if not (judged.message and judged.ours and taken) or not _within(judged.sender, our_domains):
        return frozenset()
    others = (r for r in judged.recipients[:MAX_PAIRS] if not _within(r, our_domains))
    return frozenset(pair_key(judged.sender, other) for other in others)


def _spam(judged: Judgement) -> float | None:
    """Return how much of a spam it was, 0 to 1; None where that was not found out."""
    if not judged.message:
        return 1.0 if judged.reason in _RUDE else None
    if judged.reason not in _MEASURED:
        return None
    reason = Reason(judged.reason)
    spam = _BY_REASON[reason]
    if reason is not Reason.MALWARE and judged.score is not None and judged.spam_from is not None:
        spam = _by_score(judged.score, judged.spam_from, judged.tag_from)
    return None if judged.allowed and spam else spam


def _by_score(score: float, spam_from: float, tag_from: float | None) -> float:
    if score >= spam_from:
        return 1.0
    return SUSPICIOUS if tag_from is not None and score >= tag_from else 0.0


def _within(address: str, domains: frozenset[str]) -> bool:
    return address_key(address).rpartition("@")[2] in domains
