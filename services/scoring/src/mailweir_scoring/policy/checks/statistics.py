"""What the model thinks of a message, as points: a smooth function, bounded in both directions."""

import math
from collections.abc import Iterator
from typing import Final

from mailweir_model import Opinion
from mailweir_policy.statistics import StatisticsPolicy
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

LEAST: Final = 0.1
"""Points under which nothing is said."""
UNIT: Final = 6.5
"""Points of a hit of weight 1 for spam; the rule's score, so that points come out as made."""
HAM_UNIT: Final = 3.0

# Points for each unit of log-odds, and the log-odds that are worth nothing: chosen with the rules beside, on
# sets that had not been taught, for about a half of a per cent of wanted mail tagged.
_SLOPE: Final = 0.8
_NEUTRAL: Final = 0.6
_SURE: Final = 1e-9


@check("STATISTICS_SPAM", "STATISTICS_HAM")
def statistics(facts: Facts) -> Iterator[Hit]:
    """Ask the model, and show the words that counted."""
    model, policy = facts.kit.model, facts.policy.statistics
    if model is None or not policy.enabled:
        return
    opinion = model.opinion(facts.message)
    points = points_of(opinion, policy)
    if points >= LEAST:
        yield Hit("STATISTICS_SPAM", evidence_of(opinion, spam=True), points / UNIT)
    elif points <= -LEAST:
        yield Hit("STATISTICS_HAM", evidence_of(opinion, spam=False), -points / HAM_UNIT)


def points_of(opinion: Opinion, policy: StatisticsPolicy) -> float:
    """Return the points of an opinion, over zero for spam: its log-odds, scaled and bounded."""
    chance = min(max(opinion.probability, _SURE), 1 - _SURE)
    points = policy.weight * _SLOPE * (math.log(chance / (1 - chance)) - _NEUTRAL)
    if opinion.abstained:  # the form alone makes nothing wanted, and nothing spam
        return min(policy.most_without_content, max(0.0, points))
    return min(policy.most, max(-policy.most_for_ham, points))


def evidence_of(opinion: Opinion, *, spam: bool) -> str:
    """Return the probability and the words behind it, or why there are none."""
    terms = opinion.spam_evidence if spam else opinion.ham_evidence
    said = opinion.abstained or " ".join(t.word for t in terms)
    return f"p={opinion.probability:.2f} {said}".rstrip()
