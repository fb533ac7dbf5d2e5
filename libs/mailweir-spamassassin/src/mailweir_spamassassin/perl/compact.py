"""Writes a large pattern so that PCRE2 takes it: groups that come again become subroutines.

PCRE2 copies a group for each of its repeats and holds 64 KiB of code; `(?&name)` is a call, and backtracks.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.perl.brackets import read_bracket

MIN_GROUP_CHARS: Final = 60
LARGE_GROUP_CHARS: Final = 1_000
MAX_GROUPS: Final = 400
_LEADING_FLAGS: Final = re.compile(r"(?:\(\?[a-z]+\))*")
_UNSAFE: Final = re.compile(r"\\[1-9gkGK]|\(\?[a-z^-]+\)|\(\?[P']|\(\?<[A-Za-z_]|\(\?[0-9R&(]|\(\*")
"""What would change its meaning inside a subroutine: back-references, flags that reach on, named groups."""


@dataclass(frozen=True, slots=True)
class _Group:
    start: int
    end: int


def compact(pattern: str) -> str:
    """Return a pattern of the same meaning, with its larger plain groups called by name.

    A pattern with back-references or flags in the middle comes back as it was.
    """
    leading = _LEADING_FLAGS.match(pattern)
    start = leading.end() if leading else 0
    flags, body = pattern[:start], pattern[start:]
    if _UNSAFE.search(body):
        return pattern
    definitions: dict[str, str] = {}
    body = _factor(body, definitions)
    if not definitions:
        return pattern
    named = "".join(f"(?<{name}>{text})" for text, name in definitions.items())
    return f"{flags}(?:{body})(?(DEFINE){named})"


def _factor(body: str, definitions: dict[str, str]) -> str:
    """Replace groups by calls, the innermost first, so that outer ones hold calls too."""
    for _ in range(MAX_GROUPS):
        groups = list(_innermost(body, definitions))
        if not groups:
            return body
        body = _replace(body, groups, definitions)
        if len(definitions) > MAX_GROUPS:
            return body
    return body


def _replace(body: str, groups: list[_Group], definitions: dict[str, str]) -> str:
    pieces: list[str] = []
    at = 0
    for group in groups:
        inner = body[group.start + 3 : group.end - 1]
        name = definitions.setdefault(inner, f"g{len(definitions)}")
        pieces += [body[at : group.start], f"(?&{name})"]
        at = group.end
    return "".join(pieces) + body[at:]


def _innermost(body: str, definitions: dict[str, str]) -> Iterator[_Group]:
    """Yield the plain groups of some size that hold no other such group, and are worth a definition."""
    found = [g for g in _groups(body) if g.end - g.start >= MIN_GROUP_CHARS]
    counts = Counter(body[g.start : g.end] for g in found)
    worth = [g for g in found if _is_worth(body, g, counts, definitions)]
    for i, group in enumerate(worth):
        if not any(group.start < o.start and o.end < group.end for o in worth[:i]):
            yield group


def _is_worth(body: str, group: _Group, counts: Counter[str], definitions: dict[str, str]) -> bool:
    text = body[group.start : group.end]
    if counts[text] > 1 or text[3:-1] in definitions or len(text) >= LARGE_GROUP_CHARS:
        return True
    return body[group.end : group.end + 1] in ("{", "*", "+")


def _groups(body: str) -> list[_Group]:
    """Return all plain non-capturing groups, inner ones before those around them."""
    found: list[_Group] = []
    opened: list[tuple[int, bool]] = []
    at = 0
    while at < len(body):
        match body[at]:
            case "\\":
                at += 1
            case "[":
                at = read_bracket(body, at + 1)[1] - 1
            case "(":
                opened.append((at, body.startswith("(?:", at)))
            case ")" if opened:
                start, plain = opened.pop()
                if plain:
                    found.append(_Group(start, at + 1))
        at += 1
    return found
