"""Bracket expressions: `[a-z\\d[:punct:]]` → a set of bytes."""

import re
from functools import lru_cache
from typing import Final

from mailweir_spamassassin.perl.escapes import (
    BEYOND,
    CLASSES,
    POSIX,
    number_escape,
    octal_escape,
)
from mailweir_spamassassin.perl.nodes import ANY, span

_PLAIN: Final = re.compile(r"(?:[^\[\]\\^]|\\[^EQ])(?:[^\[\]\\]|\\[^EQ])*\]", re.DOTALL)
_POSIX: Final = re.compile(r"\[:(\^?)([a-z]+):\]")


def read_bracket(text: str, at: int) -> tuple[int, int]:
    """Return the set, and where the text goes on; `at` is behind the opening bracket.

    An expression that does not end runs to the end of the text: the exact engine will refuse it.
    """
    plain = _PLAIN.match(text, at)
    if plain is not None:
        return _plain_mask(plain[0]), plain.end()
    return _read(text, at)


@lru_cache(maxsize=4096)
def _plain_mask(inside: str) -> int:
    """Return the set of an expression without `[` in it; disguised letters repeat the same for pages."""
    return _read(inside, 0)[0]


def _read(text: str, at: int) -> tuple[int, int]:
    negated = text[at : at + 1] == "^"
    at += negated
    mask = 0
    first = True
    while at < len(text) and (text[at] != "]" or first):
        first = False
        item, at = _item(text, at)
        low = item if item >= 0 else None
        if low is not None and text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("]", ""):
            high, end = _item(text, at + 1)
            if high >= low:
                mask |= span(low, min(high, 255)) if low < 256 else 0
                at = end
                continue
        mask |= _mask(item)
    return (ANY & ~mask if negated else mask), at + 1


_SETS: Final = -2
"""Items below this are sets, stored as -(set) - 3; 256 stands for any character over 0xFF."""


def _mask(item: int) -> int:
    if item < _SETS:
        return -item - 3
    return 1 << item if 0 <= item < 256 else 0


def _item(text: str, at: int) -> tuple[int, int]:
    """Return a byte's value, or a set in the form of `_mask`, and where it ends."""
    posix = _POSIX.match(text, at)
    if posix is not None and posix[2] in POSIX:
        mask = POSIX[posix[2]]
        return -(ANY & ~mask if posix[1] else mask) - 3, posix.end()
    if text[at] != "\\":
        return min(ord(text[at]), 256), at + 1
    return _escaped(text, at + 1)


def _escaped(text: str, at: int) -> tuple[int, int]:
    letter = text[at : at + 1]
    if letter in CLASSES and letter != "N":
        return -CLASSES[letter] - 3, at + 1
    if letter == "b":
        return 8, at + 1
    number = number_escape(text, at) or octal_escape(text, at)
    if number is not None:
        return (256 if number[0] == BEYOND else number[0]), number[1]
    if letter.isdigit():
        return int(letter, 8) if letter in "01234567" else ord(letter), at + 1
    return (ord(letter) if letter else 0x5C), at + 1
