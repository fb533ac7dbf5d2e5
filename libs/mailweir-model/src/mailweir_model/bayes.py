"""Bayes over tokens, the part that judges: counts of messages by token and class, Fisher's combination.

Each token's probability is drawn to a half by Robinson's rule, as many times as there is no evidence; the
tokens furthest from a half are combined by the inverse chi-square. What spoke for what can be shown.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .features import Hashes

Counts = npt.NDArray[np.uint32]
STRENGTH: Final = 0.5
"""How many messages the assumption of a half is worth."""
TOKENS: Final = 150
"""The most telling tokens that are combined."""
FEWEST: Final = 11
"""Known tokens below which nothing is said."""
_LEAST: Final = 0.1
"""A token nearer to a half than this says nothing."""


@dataclass(frozen=True, slots=True)
class BayesReading:
    """Probability of spam (None: too little is known), and token places with their own probabilities."""

    probability: float | None
    places: npt.NDArray[np.intp]
    chances: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BayesTable:
    """`hashes` in rising order with how many spam and ham messages had each, and how many there were."""

    hashes: Hashes
    spam: Counts
    ham: Counts
    spam_messages: int
    ham_messages: int

    def read(self, found: Hashes) -> BayesReading:
        """Return what the tokens say; each is given once."""
        nothing = BayesReading(None, np.empty(0, np.intp), np.empty(0))
        if not len(found) or not len(self.hashes):
            return nothing
        if not self.spam_messages or not self.ham_messages:
            return nothing
        at = np.minimum(np.searchsorted(self.hashes, found), len(self.hashes) - 1)
        places = np.flatnonzero(self.hashes[at] == found)
        if len(places) < FEWEST:
            return nothing
        chances = self._chances(at[places])
        telling = np.argsort(-np.abs(chances - 0.5), kind="stable")[:TOKENS]
        telling = telling[np.abs(chances[telling] - 0.5) >= _LEAST]
        if not len(telling):
            return nothing
        return BayesReading(_combined(chances[telling]), places[telling], chances[telling])

    def _chances(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        spam, ham = self.spam[rows].astype(np.float64), self.ham[rows].astype(np.float64)
        in_spam, in_ham = spam / self.spam_messages, ham / self.ham_messages
        plain = in_spam / np.maximum(in_spam + in_ham, 1e-12)
        seen = spam + ham
        return (STRENGTH * 0.5 + seen * plain) / (STRENGTH + seen)


def _combined(chances: npt.NDArray[np.float64]) -> float:
    spam = _chi_tail(-2.0 * float(np.log(chances).sum()), len(chances))
    ham = _chi_tail(-2.0 * float(np.log1p(-chances).sum()), len(chances))
    return min(1.0, max(0.0, (1.0 + spam - ham) / 2.0))


def _chi_tail(value: float, pairs: int) -> float:
    """Return how likely a chi-square of 2·`pairs` degrees of freedom is over `value`."""
    half = value / 2.0
    # summed as logarithms: e^-half alone is zero for a long mail
    total, term = -half, -half
    for n in range(1, pairs):
        term += math.log(half / n) if half > 0 else -math.inf
        total = float(np.logaddexp(total, term))
    return min(1.0, math.exp(min(0.0, total)))
