"""Makes a pattern small for the scanner, at the price of matching more: disguised letters become one set.

A replace tag such as `<A>` is an alternative of fifty byte sequences; ten of them in a row cost a second and
megabytes to compile. As `[aA@\\x80-\\xff]+` they cost next to nothing; the exact engine sorts out the rest.
"""

from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.perl.nodes import Alt, Atomic, Chars, Guard, Node, Repeat, Seq, span

MAX_LENGTH: Final = 12
"""Bytes of the longest branch of an alternative that is made sets."""
MIN_BRANCHES: Final = 6
HIGH: Final = span(0x80, 0xFF)


@dataclass(frozen=True, slots=True)
class _Span:
    """First bytes, later bytes, least and most length of what a pattern matches."""

    first: int
    later: int
    least: int
    most: int


def coarser(node: Node) -> Node:
    """Return a pattern that matches wherever `node` does, its larger alternatives of short texts merged."""
    match node:
        case Alt(branches):
            if len(branches) >= MIN_BRANCHES and (merged := _merged(node)) is not None:
                return merged
            return Alt(tuple(coarser(b) for b in branches))
        case Seq(items):
            return Seq(tuple(coarser(i) for i in items))
        case Repeat(item, least, most, possessive):
            return Repeat(coarser(item), least, most, possessive)
        case Atomic(item):
            return Atomic(coarser(item))
    return node


def _merged(node: Alt) -> Node | None:
    """Return two branches for many: single letters and bytes over 0x7F, and longer ASCII texts."""
    single = 0
    several: _Span | None = None
    for branch in node.branches:
        found = _span(branch)
        if found is None or not 0 < found.least <= found.most <= MAX_LENGTH:
            return None
        if found.later & ~HIGH == 0:
            single |= found.first | found.later
        else:
            several = found if several is None else _union(several, found)
    if not single & HIGH:
        return None
    letters = Repeat(Chars(single | HIGH), 1, None)
    return letters if several is None else Alt((letters, _set(several)))


def _union(one: _Span, other: _Span) -> _Span:
    return _Span(
        one.first | other.first,
        one.later | other.later,
        min(one.least, other.least),
        max(one.most, other.most),
    )


def _set(found: _Span) -> Node:
    later = Repeat(Chars(found.later), found.least - 1, found.most - 1)
    return Seq((Chars(found.first), later))


def _span(node: Node) -> _Span | None:
    match node:
        case Chars(mask):
            return _Span(mask, 0, 1, 1)
        case Guard():
            return _Span(0, 0, 0, 0)
        case Seq(items):
            return _sequence(items)
        case Alt(branches):
            return _alternative(branches)
        case Repeat(item, least, most) if most is not None and most <= MAX_LENGTH:
            return _repeated(item, least, most)
        case Atomic(item):
            return _span(item)
    return None


def _sequence(items: tuple[Node, ...]) -> _Span | None:
    whole = _Span(0, 0, 0, 0)
    for item in items:
        part = _span(item)
        if part is None or whole.most + part.most > MAX_LENGTH:
            return None
        first = whole.first | part.first if whole.least == 0 else whole.first
        later = whole.later | part.later
        if whole.most > 0:
            later |= part.first
        whole = _Span(first, later, whole.least + part.least, whole.most + part.most)
    return whole


def _alternative(branches: tuple[Node, ...]) -> _Span | None:
    whole: _Span | None = None
    for branch in branches:
        part = _span(branch)
        if part is None:
            return None
        whole = part if whole is None else _union(whole, part)
    return whole


def _repeated(item: Node, least: int, most: int) -> _Span | None:
    part = _span(item)
    if part is None or part.most * most > MAX_LENGTH:
        return None
    later = part.later | part.first if most > 1 else part.later
    return _Span(part.first, later, part.least * least, part.most * most)
