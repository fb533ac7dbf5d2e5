"""From a raw score to what it means: a probability, and how rare such a score is among wanted mail."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

RATES: Final = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)
"""Shares of wanted mail over each knot, the commonest first."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """`slope` and `offset` of the logistic curve; `knots` are the scores that `RATES` of left-out ham reach.

    Both are measured on mail of sets that the model was not taught, which a random split would not show.
    """

    slope: float
    offset: float
    knots: tuple[float, ...]

    def probability(self, score: float) -> float:
        """Return the probability of spam where both kinds are as common."""
        logit = max(-30.0, min(30.0, self.slope * score + self.offset))
        return 1.0 / (1.0 + math.exp(-logit))

    def rarity(self, score: float) -> float:
        """Return how many tenfold steps rarer than all ham a score is: 2.0 where 1 of 100 reaches it."""
        scale = [-math.log10(rate) for rate in RATES]
        return float(np.interp(score, self.knots, scale, left=0.0))
