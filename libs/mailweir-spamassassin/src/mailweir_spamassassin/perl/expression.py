"""A tree as an expression for the scanner: the same pattern if it can be, else one that matches no less."""

from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.perl.nodes import (
    ANY,
    Alt,
    Anchor,
    AnchorKind,
    Anything,
    Atomic,
    Chars,
    Guard,
    Node,
    Repeat,
    Seq,
)
from mailweir_spamassassin.perl.shape import Run, ignores_case, lowered

ANY_TEXT: Final = r"[\x00-\xff]*"
NEVER: Final = r"[^\x00-\xff]"
_PLAIN: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ @<>=:;,!%&~'\"/"
)
"""Bytes that stand for themselves, in and out of a bracket expression."""
_OUTER: Final = frozenset({AnchorKind.BOUNDARY, AnchorKind.NO_BOUNDARY})


@dataclass(frozen=True, slots=True)
class Expression:
    """A pattern for the scanner, and whether it is to leave case aside."""

    text: str
    caseless: bool = False


def write(node: Node) -> Expression:
    """Return a pattern of the same meaning for the scanner; for a tree that `shape.is_exact`."""
    return _expression(node, None)


def write_wider(node: Node, most: int) -> Expression:
    """Return a pattern that matches wherever `node` does, and maybe elsewhere.

    Look-around and anchors are left out, back-references become any text, repeats over `most` are unbounded.
    """
    return _expression(node, most)


def write_runs(runs: tuple[Run, ...]) -> Expression:
    """Return a pattern for any of some required texts."""
    return _expression(Alt(tuple(Seq(tuple(Chars(m) for m in run)) for run in runs)), None)


def _expression(node: Node, widest: int | None) -> Expression:
    if not ignores_case(node):
        return Expression(_write(node, widest))
    # The scanner's own flag keeps large patterns within its limit on length: `a` for `[Aa]`.
    return Expression(_write(lowered(node), widest), caseless=True)


def _write(node: Node, widest: int | None) -> str:
    match node:
        case Chars(mask):
            return _chars(mask)
        case Seq(items):
            return "".join(_write(i, widest) for i in items)
        case Alt(branches):
            return "(?:" + "|".join(_write(b, widest) for b in branches) + ")"
        case Repeat():
            return _repeat(node, widest)
        case Anchor(kind):
            return kind.value if widest is None or kind in _OUTER else ""
        case Atomic(item):
            return "(?:" + _write(item, widest) + ")"
        case Anything():
            return ANY_TEXT
        case Guard():
            return ""


def _repeat(node: Repeat, widest: int | None) -> str:
    inner = _write(node.item, widest)
    if not inner:
        return ""
    if not isinstance(node.item, Chars):
        inner = f"(?:{inner})"
    least, most = node.least, node.most
    if widest is not None:
        most = most if most is not None and most <= widest else None
        least = min(least, widest)
    return inner + _bounds(least, most)


def _bounds(least: int, most: int | None) -> str:
    match (least, most):
        case (0, None):
            return "*"
        case (1, None):
            return "+"
        case (0, 1):
            return "?"
        case (_, None):
            return f"{{{least},}}"
    return f"{{{least}}}" if least == most else f"{{{least},{most}}}"


def _chars(mask: int) -> str:
    if mask == 0:
        return NEVER
    if mask == ANY:
        return r"[\x00-\xff]"
    if mask.bit_count() == 1:
        return _byte(mask.bit_length() - 1)
    if mask.bit_count() > 128:
        return "[^" + _ranges(ANY & ~mask) + "]"
    return "[" + _ranges(mask) + "]"


def _byte(value: int) -> str:
    return chr(value) if value in _PLAIN else f"\\x{value:02x}"


def _ranges(mask: int) -> str:
    parts: list[str] = []
    byte = 0
    while byte < 256:
        if not mask >> byte & 1:
            byte += 1
            continue
        last = byte
        while last < 255 and mask >> (last + 1) & 1:
            last += 1
        parts.append(_byte(byte) if last == byte else f"{_byte(byte)}-{_byte(last)}")
        byte = last + 1
    return "".join(parts)
