"""The tree of a regular expression over bytes; flags for case, dot and lines are resolved in it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

ANY: Final = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class Chars:
    """One byte out of a set: bit n is set for byte n."""

    mask: int


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other; empty matches the empty text."""

    items: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Alt:
    """Any one of several."""

    branches: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; `most` None for any number. `possessive` for `++` and the like."""

    item: "Node"
    least: int
    most: int | None
    possessive: bool = False


class AnchorKind(Enum):
    """What an anchor asks of a place in the text; the value is how the scanner writes it."""

    START = r"\A"
    LINE_START = "(?m:^)"
    END = "$"
    LINE_END = "(?m:$)"
    VERY_END = r"\z"
    BOUNDARY = r"\b"
    NO_BOUNDARY = r"\B"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A condition on a place between two bytes."""

    kind: AnchorKind


@dataclass(frozen=True, slots=True)
class Guard:
    """Look-around, `\\K` and other conditions that take no bytes: without it more texts match."""


@dataclass(frozen=True, slots=True)
class Atomic:
    """`(?>…)`: without it more texts match."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class Anything:
    """A back-reference, recursion or conditional: stands for any text at all."""


Node = Chars | Seq | Alt | Repeat | Anchor | Guard | Atomic | Anything

NEWLINE: Final = 1 << 10
NOT_NEWLINE: Final = ANY & ~NEWLINE


def mask_of(text: bytes) -> int:
    """Return the set of the bytes in `text`."""
    mask = 0
    for byte in text:
        mask |= 1 << byte
    return mask


def span(first: int, last: int) -> int:
    """Return the set of all bytes from `first` to `last`, both included."""
    return ((1 << (last + 1)) - 1) & ~((1 << first) - 1)


DIGIT: Final = span(0x30, 0x39)
UPPER: Final = span(0x41, 0x5A)
LOWER: Final = span(0x61, 0x7A)
WORD: Final = DIGIT | UPPER | LOWER | mask_of(b"_")
SPACE: Final = mask_of(b" \t\n\r\f\v")
HORIZONTAL: Final = mask_of(b" \t\xa0")
VERTICAL: Final = mask_of(b"\n\v\f\r\x85")


def caseless(mask: int) -> int:
    """Return a set with the other case of its ASCII letters; Perl leaves other bytes alone too."""
    return mask | (mask & UPPER) << 32 | (mask & LOWER) >> 32
