"""What the eval tests share: the full view behind a context, numbers of arguments, patterns of rules."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from mailweir_mail import parse
from mailweir_spamassassin.view.api import EvalContext
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.site import Site

T = TypeVar("T")
_NUMBER: Final = re.compile(r"\s*[-+]?(?:\d{1,15}\.?\d{0,15}|\.\d{1,15})")
_COMPARISON: Final = re.compile(r"\s*([<>=!]=|[<>])\s*([-+]?\d{1,9})\s*\Z")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
MAX_TEXT: Final = 8192
"""Octets of one text that a pattern given to an eval test looks at."""


def view_of(context: EvalContext) -> View:
    """Return the full view; for any other one a view of an empty message, for which no test hits."""
    view = context.view
    if isinstance(view, View):
        return view
    return View(parse(b""), site=Site({}))


@lru_cache(maxsize=1024)
def number(text: str) -> float:
    """Return the number a text begins with, 0 for none, as Perl reads it."""
    found = _NUMBER.match(text)
    return float(found[0]) if found else 0.0


def argument(arguments: tuple[str, ...], index: int) -> str | None:
    """Return an argument of the rule, or None where it has fewer."""
    return arguments[index] if len(arguments) > index else None


def is_between(value: float, low: str, high: str | None) -> bool:
    """Say whether a value is at least `low` and, if that is given, at most `high`."""
    return value >= number(low) and (high is None or value <= number(high))


def compare(value: float, expression: str) -> bool:
    """Say whether a comparison such as `!= 0` holds for a value."""
    found = _COMPARISON.match(expression)
    return found is not None and _COMPARE[found[1]](value, float(found[2]))


def once(view: View, name: str, make: Callable[[View], T]) -> T:
    """Return what was worked out for this message before, or work it out."""
    if name not in view.memory:
        view.memory[name] = make(view)
    known: T = view.memory[name]
    return known


def pattern(view: View, text: str) -> re.Pattern[str] | None:
    """Compile a pattern given as an argument, once for all messages; None where it cannot be."""
    patterns: dict[str, re.Pattern[str] | None] = view.site.cache.setdefault("patterns", {})
    if text not in patterns:
        try:
            patterns[text] = re.compile(text)
        except (re.error, OverflowError, RecursionError):
            patterns[text] = None
    return patterns[text]


def text_of(view: View, name: str, modifier: str = "") -> str:
    """Return a header's value, an octet per character, of addresses the first; empty for none."""
    if modifier == "addr":
        values = view.headers_all(name, modifier)
        return values[0].decode("latin-1") if values else ""
    return (view.header(name, modifier) or b"").decode("latin-1")


def all_of(view: View, name: str, modifier: str = "") -> list[str]:
    """Return a header's values with an octet per character."""
    return [value.decode("latin-1") for value in view.headers_all(name, modifier)]
