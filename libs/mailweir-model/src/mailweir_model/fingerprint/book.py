"""What labels have taught about fingerprints, as one immutable book that is looked into without waiting."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import BAND_DIGITS, BANDS, Fingerprint, Kind

LEAST_BANDS: Final = 3
"""Of BANDS, from which two texts are taken for copies of one."""
SURE_BANDS: Final = 6
"""From which they are as good as the same."""
SURE_KINDS: Final = frozenset({Kind.TEXT, Kind.SHORT_TEXT, Kind.FILE})
"""What is a campaign's own; others are shared by mails that only look alike."""
SCALE: Final = 20.0
"""Labels at which a match has about three quarters of its full weight: tanh(labels / SCALE)."""
MOST_CANDIDATES: Final = 64
"""Known texts of one band that are compared; more share it only where somebody made them to."""

_Keys = NDArray[np.uint64]
_PLACES: Final[_Keys] = np.arange(BANDS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class FuzzyEntry:
    """What is known of one fingerprint: how much it was labelled as spam and as ham, and when last."""

    fingerprint: Fingerprint
    spam: float = 0.0
    ham: float = 0.0
    at: float = 0.0

    @property
    def balance(self) -> float:
        """Return by how much spam (above 0) or ham (below 0) outweighs."""
        return self.spam - self.ham

    @property
    def contested(self) -> bool:
        """Say whether it was labelled as both."""
        return self.spam > 0 and self.ham > 0


@dataclass(frozen=True, slots=True)
class FuzzyMatch:
    """A fingerprint of a message that the book knows, by which entry, and how alike they are (0 to 1)."""

    fingerprint: Fingerprint
    entry: FuzzyEntry
    likeness: float

    @property
    def strength(self) -> float:
        """Return how much it weighs, from 0 to 1: the balance of labels, saturating, times the likeness."""
        return math.tanh(abs(self.entry.balance) / SCALE) * min(
            1.0, self.likeness * BANDS / SURE_BANDS
        )

    @property
    def is_spam(self) -> bool:
        """Say whether spam outweighs."""
        return self.entry.balance > 0

    @property
    def is_sure(self) -> bool:
        """Say whether this can be nothing but a copy, and nobody called it the contrary."""
        alike = self.likeness * BANDS >= SURE_BANDS
        return alike and not self.entry.contested and self.fingerprint.kind in SURE_KINDS


class FuzzyBook:
    """An immutable set of entries, found by fingerprint or by any band of a text's."""

    __slots__ = ("_bands", "_entries", "_owners", "_texts")

    def __init__(self, entries: Iterable[FuzzyEntry] = ()) -> None:
        """Index the entries; of two for the same fingerprint the later one counts.

        Sorted arrays in place of a table: a tenth of the memory, and made in milliseconds.
        """
        self._entries: Mapping[Fingerprint, FuzzyEntry] = {e.fingerprint: e for e in entries}
        self._texts = [f for f in self._entries if _is_whole_text(f)]
        bands = _keys(self._texts).reshape(-1)
        order = np.argsort(bands, kind="stable")
        self._bands: _Keys = bands[order]
        self._owners = order // BANDS

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._entries)

    def look(self, fingerprints: Iterable[Fingerprint]) -> tuple[FuzzyMatch, ...]:
        """Return the best match of each fingerprint that is known; one that stands even says nothing."""
        if not self._entries:
            return ()
        matches = (self.best(fingerprint) for fingerprint in fingerprints)
        return tuple(m for m in matches if m is not None and m.entry.balance != 0)

    def best(self, fingerprint: Fingerprint) -> FuzzyMatch | None:
        """Return the known entry that is most like a fingerprint, or None."""
        entry = self._entries.get(fingerprint)
        if entry is not None:
            return FuzzyMatch(fingerprint, entry, 1.0)
        return self._alike(fingerprint) if _is_whole_text(fingerprint) else None

    def _alike(self, fingerprint: Fingerprint) -> FuzzyMatch | None:
        keys = _keys((fingerprint,))[0]
        starts = np.searchsorted(self._bands, keys, "left").tolist()
        ends = np.searchsorted(self._bands, keys, "right").tolist()
        shared: Counter[int] = Counter()
        for start, end in zip(starts, ends, strict=True):
            shared.update(self._owners[start : min(end, start + MOST_CANDIDATES)].tolist())
        if not shared:
            return None
        best, count = min(shared.items(), key=lambda item: (-item[1], item[0]))
        if count < LEAST_BANDS:
            return None
        return FuzzyMatch(fingerprint, self._entries[self._texts[best]], count / BANDS)


def _is_whole_text(fingerprint: Fingerprint) -> bool:
    return fingerprint.kind is Kind.TEXT and len(fingerprint.value) == BANDS * BAND_DIGITS


def _keys(texts: Sequence[Fingerprint]) -> _Keys:
    """Return a row of bands for each text; a band counts only in its own place."""
    octets = bytes.fromhex("".join(f.value for f in texts))
    return np.frombuffer(octets, dtype=">u8").astype(np.uint64).reshape(-1, BANDS) ^ _PLACES
