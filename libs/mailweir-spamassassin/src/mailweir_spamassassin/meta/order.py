"""In which order meta rules run, which form a circle, and what changes what."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mailweir_spamassassin.meta.expression import (
    Call,
    Chain,
    Choice,
    Name,
    Node,
    Number,
    Prefix,
    names_of,
)

MAX_MATCHING: Final = 5_000
"""Rules that one rules_matching() stands for."""


def expand_globs(node: Node, names: Sequence[str], own: str) -> Node:
    """Return an expression with `rules_matching(GLOB)` replaced by the sum of those rules but for `own`."""
    match node:
        case Call("rules_matching", glob):
            return _sum(glob, names, own)
        case Prefix(operator, operand):
            return Prefix(operator, expand_globs(operand, names, own))
        case Chain(first, rest):
            parts = tuple((op, expand_globs(n, names, own)) for op, n in rest)
            return Chain(expand_globs(first, names, own), parts)
        case Choice():
            return replace(
                node,
                condition=expand_globs(node.condition, names, own),
                yes=expand_globs(node.yes, names, own),
                no=expand_globs(node.no, names, own),
            )
    return node


def _sum(glob: str, names: Sequence[str], own: str) -> Node:
    parts = [
        ".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", glob)
    ]
    pattern = re.compile("".join(parts))
    found = [n for n in names if n != own and pattern.fullmatch(n)][:MAX_MATCHING]
    if not found:
        return Number(0.0)
    return (
        Chain(Name(found[0]), tuple(("+", Name(n)) for n in found[1:]))
        if found[1:]
        else Name(found[0])
    )


def in_order(metas: Mapping[str, Node]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the metas, each after those it depends on, and those that depend on themselves in the end."""
    needs = {name: {n for n in names_of(node) if n in metas} for name, node in metas.items()}
    users: dict[str, list[str]] = {}
    for name, needed in needs.items():
        for other in needed:
            users.setdefault(other, []).append(name)
    waiting = {name: len(needed) for name, needed in needs.items()}
    ready = [name for name, count in waiting.items() if count == 0]
    ordered: list[str] = []
    while ready:
        name = ready.pop()
        ordered.append(name)
        for user in users.get(name, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    return tuple(ordered), frozenset(metas.keys() - set(ordered))


def reachable(roots: Iterable[str], metas: Mapping[str, Node]) -> frozenset[str]:
    """Return `roots` and every rule that they depend on."""
    seen = set(roots)
    pending = list(seen)
    while pending:
        node = metas.get(pending.pop())
        if node is None:
            continue
        for name in names_of(node):
            if name not in seen:
                seen.add(name)
                pending.append(name)
    return frozenset(seen)
