"""The stage `campaign`: fingerprints, what labels say about them, and how many copies there are."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mailweir_core.asking import Asking
from mailweir_model.fingerprint import Fingerprint, FuzzyBook, FuzzyMatch, Kind, fingerprints
from mailweir_policy import BulkPolicy
from mailweir_scoring.policy.campaign.model import (
    BODY_KINDS,
    CampaignAnswer,
    CampaignQuestion,
    families_of,
)
from mailweir_scoring.policy.checks.common import from_outside, is_bulk, is_submitted
from mailweir_scoring.policy.facts import Facts, Found, Hit

SYMBOLS: Final = frozenset({"BULK_SEEN", "FUZZY_DENIED", "FUZZY_PROBABLE", "FUZZY_WHITE"})
HEAVIEST_BULK: Final = 2.0
"""Most that the score of BULK_SEEN is multiplied by, at ten times the threshold."""


def campaign(facts: Facts) -> Asking[Found]:
    """Ask how many copies there are, and look the fingerprints up in the book of labelled ones.

    Our own users' mail is left out: what they send to many is theirs to send, and must not count against
    copies that come back from outside.
    """
    policy = facts.policy.campaign
    book = facts.kit.fuzzy if policy.fuzzy.enabled else None
    counted = policy.bulk.enabled and from_outside(facts)
    if is_submitted(facts) or not (counted or book):
        return Found()
    prints = fingerprints(facts.message, facts.texts)
    hits = list(_known(book, prints, policy.fuzzy.least_labels)) if book else []
    families = families_of(prints, policy.bulk.mode) if counted else ()
    if families:
        question = CampaignQuestion(families, facts.now, policy.bulk.window_seconds)
        (answer,) = yield (question,)
        hits += _bulk(facts, policy.bulk, answer)
    return Found(tuple(hits))


def _bulk(facts: Facts, policy: BulkPolicy, answer: CampaignAnswer) -> Iterator[Hit]:
    if answer.copies < policy.threshold:
        return
    more = min(HEAVIEST_BULK, 1.0 + math.log10(answer.copies / policy.threshold))
    weight = more * _share(facts, policy)
    if weight > 0:
        minutes = policy.window_seconds / 60
        yield Hit("BULK_SEEN", f"{answer.copies} copies within {minutes:g} minutes", weight)


def _share(facts: Facts, policy: BulkPolicy) -> float:
    """Return which part of the score counts: lists and authenticated senders send copies for good reason.

    Where nothing was authenticated, a list is believed half: its headers can be written by anybody.
    """
    listed = is_bulk(facts)
    if facts.auth is None:
        return policy.aligned_share if listed else 1.0
    if not facts.auth.aligned:
        return 1.0
    return policy.list_share if listed else policy.aligned_share


def _known(book: FuzzyBook, prints: Sequence[Fingerprint], least_labels: float) -> Iterator[Hit]:
    """Yield what labels say: spam by the strongest match; ham where nothing speaks for spam."""
    matches = [m for m in book.look(prints) if abs(m.entry.balance) >= least_labels]
    spam = [m for m in matches if m.is_spam]
    sure = [m for m in spam if m.is_sure]
    if sure:
        yield _hit("FUZZY_DENIED", sure)
    elif probable := [m for m in spam if _speaks(m, spam)]:
        yield _hit("FUZZY_PROBABLE", probable)
    elif white := [m for m in matches if not m.is_spam and m.fingerprint.kind in BODY_KINDS]:
        yield _hit("FUZZY_WHITE", white)


def _speaks(match: FuzzyMatch, others: Sequence[FuzzyMatch]) -> bool:
    """Say whether a match means anything: senders reuse names and templates, so those only go with others."""
    if match.fingerprint.kind is Kind.SUBJECT:
        return False
    return match.fingerprint.kind is not Kind.STRUCTURE or any(
        m.fingerprint.kind not in (Kind.STRUCTURE, Kind.SUBJECT) for m in others
    )


def _hit(symbol: str, matches: Iterable[FuzzyMatch]) -> Hit:
    best = max(matches, key=lambda m: (m.strength, m.fingerprint))
    labels = f"{abs(best.entry.balance):g} labels"
    return Hit(
        symbol, f"{best.fingerprint.kind}, {best.likeness:.0%} alike, {labels}", best.strength
    )
