"""Many tokens to 32-bit numbers at once: the loops are in C, a token costs tens of nanoseconds."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]
"""Hashes below the number of their view: one array in rising order holds the views one after the other."""
Numbers = TypeVar("Numbers", Hashes, Keys)

EMPTY: Final[Hashes] = np.empty(0, np.uint32)
EMPTY.flags.writeable = False

_PRIME: Final = np.uint32(0x9E3779B1)
_SHIFT: Final = np.uint32(15)
_MASK: Final = 0xFFFFFFFF


def hash_words(words: Sequence[str], seed: int) -> Hashes:
    """Return one hash for each word, in order; `seed` keeps the views of a message apart."""
    return mix(checksums(words), seed) if words else EMPTY


def hash_lists(lists: Sequence[tuple[Sequence[str], int]]) -> tuple[Hashes, ...]:
    """Return what `hash_words` gives for each list with its seed: many short lists at the cost of one."""
    ends = list(accumulate(len(words) for words, _ in lists))
    raw = checksums([word for words, _ in lists for word in words])
    seeds = np.repeat([_seed(seed) for _, seed in lists], [len(words) for words, _ in lists])
    return tuple(np.split(_mixed(raw, seeds), ends[:-1]))


def checksums(words: Sequence[str]) -> Hashes:
    """Return the CRC-32 of each word in UTF-8, in order; a line feed in one counts as a blank."""
    if not words:
        return EMPTY
    # One encoding and one split make all the pieces.
    pieces = "\n".join(words).encode("utf-8", "surrogatepass").split(b"\n")
    if len(pieces) != len(words):
        return checksums([word.replace("\n", " ") for word in words])
    return np.fromiter(map(crc32, pieces), np.uint32, len(pieces))


def mix(values: Hashes, seed: int) -> Hashes:
    """Scramble numbers: crc32 is linear, and two views or lengths must not meet in one number."""
    return _mixed(values, _seed(seed))


def _seed(seed: int) -> np.uint32:
    return np.uint32((seed * 0x85EBCA6B) & _MASK)


def _mixed(values: Hashes, seeds: np.uint32 | Hashes) -> Hashes:
    mixed = (values ^ seeds) * _PRIME
    return (mixed ^ (mixed >> _SHIFT)) * np.uint32(0x2C1B3C6D)


def distinct(values: Numbers) -> Numbers:
    """Return the different numbers in rising order."""
    if len(values) < 2:
        return values
    ordered = np.sort(values)
    kept = np.empty(len(ordered), np.bool_)
    kept[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=kept[1:])
    return ordered[kept]


def pair(first: Hashes, second: Hashes, seed: int) -> Hashes:
    """Return a hash for each pair of numbers at the same place; the order of the two counts."""
    return mix(first * np.uint32(0x01000193) + (second ^ (second >> _SHIFT)), seed)


def grams(text: str, sizes: Iterable[int], seed: int) -> Hashes:
    """Return the hashes of all character n-grams of a text, size by size; its ends count as blanks."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    found = [_rolled(codes, size, seed) for size in sizes if size <= len(codes)]
    return np.concatenate(found) if found else EMPTY


def _rolled(codes: Hashes, size: int, seed: int) -> Hashes:
    count = len(codes) - size + 1
    total = np.zeros(count, np.uint32)
    for at in range(size):
        total = total * np.uint32(0x01000193) + codes[at : at + count]
    return mix(total, seed + size)
