"""What the model thinks of a message, as points: a smooth function, bounded in both directions."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from mailweir_model import Model, Opinion
from mailweir_policy.statistics import StatisticsPolicy
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

LEAST: Final = 0.1
"""Points under which nothing is said."""
UNIT: Final = 6.5
"""Points of a hit of weight 1 for spam; the rule's score, so that points come out as made."""
HAM_UNIT: Final = 3.0

# How rare it is among wanted mail to look like that (tenfold steps), and what that is worth. The tag
# threshold is reached where three of a thousand do, measured on sets that had not been taught.
_RARITY: Final = (1.0, 2.0, 2.3, 2.55, 3.3)
_POINTS: Final = (0.0, 3.2, 4.8, 6.0, 6.5)
_HAM_SLOPE: Final = 1.5
_HAM_FROM: Final = 1.0


@check("STATISTICS_SPAM", "STATISTICS_HAM")
def statistics(facts: Facts) -> Iterator[Hit]:
    """Ask the model, and show the words that counted."""
    model, policy = facts.kit.model, facts.policy.statistics
    if not isinstance(model, Model) or not policy.enabled:
        return
    opinion = model.opinion(facts.message)
    points = points_of(opinion, policy)
    if points >= LEAST:
        yield Hit("STATISTICS_SPAM", evidence_of(opinion, spam=True), points / UNIT)
    elif points <= -LEAST:
        yield Hit("STATISTICS_HAM", evidence_of(opinion, spam=False), -points / HAM_UNIT)


def points_of(opinion: Opinion, policy: StatisticsPolicy) -> float:
    """Return the points of an opinion, over zero for spam."""
    most = policy.most_without_content if opinion.abstained else policy.most
    for_spam = policy.weight * float(np.interp(opinion.rarity, _RARITY, _POINTS))
    if for_spam > 0:
        return min(most, for_spam)
    if opinion.abstained:  # the form alone makes nothing wanted
        return 0.0
    tenfold = math.log10((1 - opinion.probability) / max(opinion.probability, 1e-12))
    return -min(policy.most_for_ham, policy.weight * _HAM_SLOPE * max(0.0, tenfold - _HAM_FROM))


def evidence_of(opinion: Opinion, *, spam: bool) -> str:
    """Return the probability and the words behind it, or why there are none."""
    terms = opinion.spam_evidence if spam else opinion.ham_evidence
    said = opinion.abstained or " ".join(t.word for t in terms)
    return f"p={opinion.probability:.2f} {said}".rstrip()
