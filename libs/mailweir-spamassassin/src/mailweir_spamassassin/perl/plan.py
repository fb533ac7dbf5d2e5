"""How a pattern is looked for: by the scanner, by it and then exactly, or exactly in every text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.perl.coarse import coarser
from mailweir_spamassassin.perl.exact import Matcher
from mailweir_spamassassin.perl.expression import Expression, write, write_runs, write_wider
from mailweir_spamassassin.perl.joined import joined_form
from mailweir_spamassassin.perl.literal import PerlRegex
from mailweir_spamassassin.perl.nodes import Chars, Node
from mailweir_spamassassin.perl.parse import UnreadableRegexError, parse_regex
from mailweir_spamassassin.perl.shape import (
    has_inner_anchor,
    is_exact,
    is_nullable,
    positions,
    required_runs,
)

MAX_EXPRESSION_CHARS: Final = 15_900
"""The scanner takes 16,000."""
MAX_EXACT_POSITIONS: Final = 400
MAX_WIDE_POSITIONS: Final = 10_000
WIDEST: Final = 1
"""Of a pattern that is looked at again anyway, a repeat is as good as any number of repeats."""


@dataclass(frozen=True, slots=True)
class Option:
    """An expression for the scanner; `exact` where a hit of it needs no second look."""

    expression: Expression
    exact: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A pattern's exact matcher, and expressions for the scanner, the best first.

    Without any, every text is searched.
    """

    matcher: Matcher
    options: tuple[Option, ...]
    letters: bytes = b""
    """For a pattern that is one byte out of a set, these bytes: they are counted without an engine."""
    joined: Expression | None = None
    """An expression for texts put together (`perl.joined`), for a pattern that the scanner decides."""


def plan_for(regex: PerlRegex) -> Plan:
    """Return how a pattern is looked for. Raises InvalidRegexError, UnsupportedRegexError."""
    matcher = Matcher(regex)
    try:
        node = parse_regex(regex)
    except UnreadableRegexError:
        return Plan(matcher, ())
    if is_nullable(node):
        return Plan(matcher, ())
    options = [o for o in _options(node) if len(o.expression.text) <= MAX_EXPRESSION_CHARS]
    joined = _joined(node) if options and options[0].exact else None
    return Plan(matcher, tuple(options), _letters(node), joined)


def _joined(node: Node) -> Expression | None:
    form = joined_form(node)
    expression = write(form) if form is not None else None
    fits = expression is not None and len(expression.text) <= MAX_EXPRESSION_CHARS
    return expression if fits else None


def _letters(node: Node) -> bytes:
    if not isinstance(node, Chars):
        return b""
    return bytes(byte for byte in range(256) if node.mask >> byte & 1)


def _options(node: Node) -> Iterator[Option]:
    if is_exact(node) and not has_inner_anchor(node) and positions(node) <= MAX_EXACT_POSITIONS:
        yield Option(write(node), exact=True)
    wide = coarser(node)
    if positions(wide, WIDEST) <= MAX_WIDE_POSITIONS:
        yield Option(write_wider(wide, WIDEST), exact=False)
    runs = required_runs(node)
    if runs is not None:
        yield Option(write_runs(runs), exact=False)
