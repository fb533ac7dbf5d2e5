"""Many tokens to 32-bit numbers at once: the loops are in C, a token costs tens of nanoseconds."""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]

EMPTY: Final[Hashes] = np.empty(0, np.uint32)
EMPTY.flags.writeable = False

_PRIME: Final = np.uint32(0x9E3779B1)
_SHIFT: Final = np.uint32(15)
_MASK: Final = 0xFFFFFFFF


def hash_words(words: Sequence[str], seed: int) -> Hashes:
    """Return one hash for each word, in order; `seed` keeps the views of a message apart."""
    if not words:
        return EMPTY
    # A word has no white space in it, so one encoding and one split make the pieces.
    pieces = "\n".join(words).encode("utf-8", "surrogatepass").split(b"\n")
    return mix(np.fromiter(map(crc32, pieces), np.uint32, len(pieces)), seed)


def hash_facts(facts: Iterable[str], seed: int) -> Hashes:
    """Return the hashes of a set of facts, each once, in rising order."""
    return np.unique(hash_words([f.replace("\n", " ") for f in facts], seed))


def mix(values: Hashes, seed: int) -> Hashes:
    """Scramble numbers: crc32 is linear, and two views or lengths must not meet in one number."""
    mixed = (values ^ np.uint32((seed * 0x85EBCA6B) & _MASK)) * _PRIME
    return (mixed ^ (mixed >> _SHIFT)) * np.uint32(0x2C1B3C6D)


def pair(first: Hashes, second: Hashes, seed: int) -> Hashes:
    """Return a hash for each pair of numbers at the same place; the order of the two counts."""
    return mix(first * np.uint32(0x01000193) + (second ^ (second >> _SHIFT)), seed)


def grams(text: str, sizes: Iterable[int], seed: int) -> Hashes:
    """Return the hashes of all character n-grams of a text, each once; the text's ends count as blanks."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    found = [_rolled(codes, size, seed) for size in sizes if size <= len(codes)]
    return np.unique(np.concatenate(found)) if found else EMPTY


def _rolled(codes: Hashes, size: int, seed: int) -> Hashes:
    count = len(codes) - size + 1
    total = np.zeros(count, np.uint32)
    for at in range(size):
        total = total * np.uint32(0x01000193) + codes[at : at + count]
    return mix(total, seed + size)
