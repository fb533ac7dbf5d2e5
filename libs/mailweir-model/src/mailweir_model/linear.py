"""A linear model over hashed features, as two plain arrays: which features, and what each is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from .features import Hashes, Keys

V = TypeVar("V", bound=int)
Weights = npt.NDArray[np.int8]
STEPS: Final = 127
"""A weight is a whole number of this many steps of the table's scale in either direction."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a table says of one message: log-odds, places of the known features, their shares.

    `shares` are what each known feature adds; `known` is how many of all features are known (0–1).
    """

    logit: float
    places: npt.NDArray[np.intp]
    shares: npt.NDArray[np.float64]
    known: float


@dataclass(frozen=True, slots=True, eq=False)
class LinearTable:
    """`hashes` in rising order, a weight for each in steps of `scale / 127`, and a constant `bias`."""

    hashes: Hashes
    weights: Weights
    scale: float
    bias: float

    def read(self, found: Hashes) -> Reading:
        """Return what it says of a set of features; each counts the less, the more there are."""
        count = len(found)
        if not count or not len(self.hashes):
            return Reading(self.bias, np.empty(0, np.intp), np.empty(0), 0.0)
        at = np.minimum(np.searchsorted(self.hashes, found), len(self.hashes) - 1)
        places = np.flatnonzero(self.hashes[at] == found)
        shares = self.weights[at[places]] * (self.scale / STEPS / count**0.5)
        return Reading(self.bias + float(shares.sum()), places, shares, len(places) / count)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTables:
    """Several tables in one, for a message's views in one look-up: the same as reading each by itself.

    `keys` are hashes with the number of their view above them, in rising order, `worth` what each adds for a
    message that has no other feature in its view, `biases` the constants by view.
    """

    keys: Keys
    worth: npt.NDArray[np.float64]
    biases: npt.NDArray[np.float64]

    def read(
        self, keys: Keys, starts: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Return log-odds by view, and of each known feature the place in `keys` and what it adds.

        `starts` says where in `keys` each view begins, and where the last one ends.
        """
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        places = np.flatnonzero(self.keys[at] == keys)
        view = np.searchsorted(starts, places, side="right") - 1
        shares = self.worth[at[places]] / np.sqrt(np.diff(starts))[view]
        sums = np.bincount(view, shares, len(self.biases))
        return self.biases + sums, places, shares


def joined(tables: Mapping[V, LinearTable]) -> JoinedTables:
    """Return tables by the number of their view as one; a view without a table adds nothing."""
    order = sorted(tables)
    biases = np.zeros(order[-1] + 1)
    for view in order:
        biases[view] = tables[view].bias
    return JoinedTables(
        np.concatenate([tables[v].hashes.astype(np.uint64) | np.uint64(v << 32) for v in order]),
        np.concatenate([tables[v].weights * (tables[v].scale / STEPS) for v in order]),
        biases,
    )


def quantised(
    hashes: Hashes, weights: npt.NDArray[np.float64], bias: float, *, least: float = 0.0
) -> LinearTable:
    """Return a table of the weights that round to anything and are over `least` of the largest one."""
    scale = float(np.abs(weights).max(initial=0.0)) or 1.0
    steps = np.rint(weights / scale * STEPS).astype(np.int8)
    kept = np.flatnonzero((steps != 0) & (np.abs(weights) >= least * scale))
    kept = kept[np.argsort(hashes[kept])]
    return LinearTable(hashes[kept], steps[kept], scale, bias)
