"""What the tree of a pattern says: may it match nothing, how large is it, what must be in the text."""

from collections.abc import Sequence
from typing import Final

from mailweir_spamassassin.perl.nodes import (
    ANY,
    UPPER,
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
    caseless,
)

MAX_SET: Final = 12
"""Bytes in a set for it to count as part of a required text."""
MIN_RUN: Final = 3
"""Bytes of a required text for it to be worth looking for."""
MAX_RUNS: Final = 64
HUGE: Final = 1_000_000

Run = tuple[int, ...]


def is_nullable(node: Node) -> bool:
    """Say whether a pattern may match the empty text (where its guards allow)."""
    match node:
        case Chars():
            return False
        case Seq(items):
            return all(is_nullable(i) for i in items)
        case Alt(branches):
            return any(is_nullable(b) for b in branches)
        case Repeat(item, least):
            return least == 0 or is_nullable(item)
        case Atomic(item):
            return is_nullable(item)
    return True


def is_exact(node: Node) -> bool:
    """Say whether the scanner can decide a pattern by itself: no look-around, back-reference, atomic part."""
    match node:
        case Seq(items) | Alt(items):
            return all(is_exact(i) for i in items)
        case Repeat(item, _, _, possessive):
            return not possessive and is_exact(item)
        case Guard() | Anything() | Atomic():
            return False
    return True


def has_inner_anchor(node: Node) -> bool:
    """Say whether `^` or `$` stands in the middle: the scanner takes no such pattern."""
    return _inner_anchor(node, at_start=True, at_end=True)


_STARTS: Final = frozenset({AnchorKind.START, AnchorKind.LINE_START})
_ENDS: Final = frozenset({AnchorKind.END, AnchorKind.LINE_END, AnchorKind.VERY_END})


def _inner_anchor(node: Node, *, at_start: bool, at_end: bool) -> bool:
    match node:
        case Anchor(kind):
            return (kind in _STARTS and not at_start) or (kind in _ENDS and not at_end)
        case Seq(items):
            last = len(items) - 1
            return any(
                _inner_anchor(
                    item,
                    at_start=at_start and all(isinstance(i, Anchor | Guard) for i in items[:n]),
                    at_end=at_end
                    and (n == last or all(isinstance(i, Anchor | Guard) for i in items[n + 1 :])),
                )
                for n, item in enumerate(items)
            )
        case Alt(branches):
            return any(_inner_anchor(b, at_start=at_start, at_end=at_end) for b in branches)
        case Repeat(item, _, most):
            once = most == 1
            return _inner_anchor(item, at_start=at_start and once, at_end=at_end and once)
        case Atomic(item):
            return _inner_anchor(item, at_start=at_start, at_end=at_end)
    return False


def positions(node: Node, widest: int | None = None) -> int:
    """Return about how many states an automaton of the pattern has: what compiling it costs.

    `widest` as in `expression.write_wider`: repeats beyond it count as often as they must be there.
    """
    match node:
        case Seq(items) | Alt(items):
            return min(sum(positions(i, widest) for i in items), HUGE)
        case Repeat(item, least, most):
            times = max(least, most or least + 1, 1)
            if widest is not None and times > widest:
                times = max(min(least, widest), 1)
            return min(positions(item, widest) * times, HUGE)
        case Atomic(item):
            return positions(item, widest)
        case Chars():
            return 1
    return 0


def ignores_case(node: Node) -> bool:
    """Say whether every set of a pattern has both cases of the letters in it."""
    match node:
        case Chars(mask):
            return caseless(mask) == mask
        case Seq(items) | Alt(items):
            return all(ignores_case(i) for i in items)
        case Repeat(item) | Atomic(item):
            return ignores_case(item)
    return True


def lowered(node: Node) -> Node:
    """Return a pattern that ignores case with its upper-case letters left out of sets that have both."""
    match node:
        case Chars(mask):
            return Chars(mask & ~UPPER) if mask != ANY and mask.bit_count() <= 128 else node
        case Seq(items):
            return Seq(tuple(lowered(i) for i in items))
        case Alt(branches):
            return Alt(tuple(lowered(b) for b in branches))
        case Repeat(item, least, most, possessive):
            return Repeat(lowered(item), least, most, possessive)
        case Atomic(item):
            return Atomic(lowered(item))
    return node


def has_literal(node: Node, literal: Sequence[int]) -> bool:
    """Say whether these bytes, in a row, are in every text that matches; False: it is not known."""
    items = _flat(node) if isinstance(node, Seq) else [node]
    masks = [item.mask if isinstance(item, Chars) else 0 for item in items]
    wanted = [1 << byte for byte in literal]
    return any(masks[i : i + len(wanted)] == wanted for i in range(len(masks)))


def required_runs(node: Node) -> tuple[Run, ...] | None:
    """Return texts (a byte set per place), one of which is in every text that matches; None: none known."""
    match node:
        case Seq():
            return _best(_runs_of_sequence(node))
        case Alt(branches):
            return _union([required_runs(b) for b in branches])
        case Repeat(item, least) if least > 0:
            return required_runs(item)
        case Atomic(item):
            return required_runs(item)
        case Chars():
            return None
    return None


def _union(found: Sequence[tuple[Run, ...] | None]) -> tuple[Run, ...] | None:
    runs: list[Run] = []
    for some in found:
        if some is None:
            return None
        runs += some
    return tuple(dict.fromkeys(runs)) if len(runs) <= MAX_RUNS else None


def _runs_of_sequence(node: Seq) -> list[tuple[Run, ...]]:
    found: list[tuple[Run, ...]] = []
    run: list[int] = []
    for item in _flat(node):
        if isinstance(item, Chars) and 0 < item.mask.bit_count() <= MAX_SET:
            run.append(item.mask)
            continue
        if isinstance(item, Anchor | Guard):
            continue  # takes no byte: what stands around it is adjacent in the text
        found.append((tuple(run),))
        run = []
        inner = required_runs(item)
        if inner is not None:
            found.append(inner)
    found.append((tuple(run),))
    return [f for f in found if min(map(len, f)) >= MIN_RUN]


def _flat(node: Seq) -> list[Node]:
    items: list[Node] = []
    pending: list[Node] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, Seq):
            pending += reversed(item.items)
        else:
            items.append(item)
    return items


def _best(found: Sequence[tuple[Run, ...]]) -> tuple[Run, ...] | None:
    if not found:
        return None
    return max(found, key=lambda runs: (min(_weight(r) for r in runs), -len(runs)))


def _weight(run: Run) -> float:
    """Return how rare a text is: a place with one letter says more than one with ten."""
    return sum(1.0 / (1 + mask.bit_count() // 3) for mask in run)
