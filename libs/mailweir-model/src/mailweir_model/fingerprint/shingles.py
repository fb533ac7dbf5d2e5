"""A text's fingerprint: min-hashes over runs of three words, bundled into bands.

Two texts that share the part s of their runs agree in one min-hash with probability s, in a band of
HASHES_PER_BAND with s to that power. A changed word changes three runs.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import BAND_DIGITS, BANDS

RUN: Final = 3
HASHES_PER_BAND: Final = 3
LEAST_DISTINCT: Final = 30
"""Different words below which a text says too little, however long it is."""

_Words = NDArray[np.uint64]


def _mixed(values: _Words) -> _Words:
    """Spread each value over all 64 bits (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_SEEDS: Final = _mixed(np.arange(1, BANDS * HASHES_PER_BAND + 1, dtype=np.uint64) * _STEP)[:, None]
_MULTIPLIERS: Final = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64
)


def text_value(words: Sequence[str]) -> str:
    """Return the value of a TEXT fingerprint, or the empty string where the words say too little."""
    different = {w: zlib.crc32(w.encode("utf-8", "replace")) for w in set(words)}
    if len(different) < LEAST_DISTINCT:
        return ""
    hashes = np.array([different[w] for w in words], dtype=np.uint64)
    last = len(hashes) - RUN + 1
    runs = sum(
        (hashes[at : at + last] * _MULTIPLIERS[at] for at in range(RUN)),
        np.zeros(last, dtype=np.uint64),
    )
    least = _mixed(runs[None, :] ^ _SEEDS).min(axis=1).reshape(BANDS, HASHES_PER_BAND)
    bands = _mixed(least[:, 0] ^ _mixed(least[:, 1] ^ _mixed(least[:, 2])))
    return "".join(f"{int(band):0{BAND_DIGITS}x}" for band in bands)
