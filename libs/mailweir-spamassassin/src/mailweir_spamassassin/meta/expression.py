"""Expressions of meta rules and `if` lines: text → tree, with Perl's precedences and hard limits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mailweir_spamassassin.limits import MAX_META_DEPTH, MAX_META_DIVISIONS, MAX_META_TOKENS

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<call>rules_matching|plugin|can|has)\s*\(\s*(?P<argument>[\w:*?]*)\s*\)"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<name>[A-Za-z_][\w]*)"
    r"|(?P<op>\|\||&&|==|!=|>=|<=|[-+*/^!<>?:()])"
    r"|(?P<end>\Z))",
    re.ASCII,
)
_LEVELS: Final = {
    "||": 1, "&&": 2, "^": 3, "==": 4, "!=": 4, "<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6,
    "*": 7, "/": 7,
}  # fmt: skip
_PREFIXES: Final = frozenset("!-+")
_NO_CHAIN: Final = frozenset({4, 5})


class InvalidExpressionError(ValueError):
    """Raised for a text that is no expression, or is one beyond the limits; the message says where."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A rule, or a word of an `if` line."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """`rules_matching(GLOB)`, `plugin(Name)`, `can(Name)` or `has(Name)`."""

    function: str
    argument: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """`!x`, `-x`, `+x`."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Chain:
    """`a + b - c`: operators of one precedence, left to right; comparisons have one operator."""

    first: "Node"
    rest: tuple[tuple[str, "Node"], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`."""

    condition: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class Empty:
    """`()`: a rule that only other code can make hit."""


Node = Number | Name | Call | Prefix | Chain | Choice | Empty


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    argument: str = ""


def parse(text: str) -> Node:
    """Return the tree of an expression. Raises InvalidExpressionError."""
    tokens = list(_tokens(text))
    if [t.text for t in tokens] == ["(", ")"]:
        return Empty()
    if not tokens:
        raise InvalidExpressionError("nothing to evaluate")
    parser = _Parser(tokens)
    node = parser.choice(0)
    parser.finish()
    return node


def names_of(node: Node) -> Iterator[str]:
    """Yield every name in an expression, with repetitions."""
    pending = [node]
    while pending:
        match pending.pop():
            case Name(text):
                yield text
            case Prefix(_, operand):
                pending.append(operand)
            case Chain(first, rest):
                pending += [n for _, n in reversed(rest)]
                pending.append(first)
            case Choice(condition, yes, no):
                pending += [no, yes, condition]
            case _:
                pass


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    for _ in range(MAX_META_TOKENS):
        found = _TOKEN.match(text, at)
        if found is None:
            raise InvalidExpressionError(f"cannot read on at {text[at : at + 20].strip()!r}")
        kind = found.lastgroup or ""
        if kind == "end":
            return
        if kind == "argument":
            yield _Token("call", found["call"], found["argument"])
        else:
            yield _Token(kind, found[kind])
        at = found.end()
    raise InvalidExpressionError(f"more than {MAX_META_TOKENS} names and operators")


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise InvalidExpressionError(f"unexpected {self._tokens[self._at].text!r}")

    def choice(self, depth: int) -> Node:
        if depth > MAX_META_DEPTH:
            raise InvalidExpressionError(f"nested deeper than {MAX_META_DEPTH}")
        node = self._chain(1, depth)
        if self._peek() != "?":
            return node
        self._take("?")
        yes = self.choice(depth + 1)
        self._take(":")
        return Choice(node, yes, self.choice(depth + 1))

    def _chain(self, level: int, depth: int) -> Node:
        node = self._prefix(depth)
        while (found := _LEVELS.get(self._peek(), 0)) >= level:
            rest: list[tuple[str, Node]] = []
            while _LEVELS.get(self._peek(), 0) == found:
                operator = self._take(self._peek())
                rest.append((operator, self._chain(found + 1, depth)))
            if found in _NO_CHAIN and len(rest) > 1:
                raise InvalidExpressionError(f"comparisons in a row: {rest[-1][0]!r}")
            if len(rest) > MAX_META_DIVISIONS and any(op in "/^" for op, _ in rest):
                raise InvalidExpressionError(f"more than {MAX_META_DIVISIONS} divisions in a row")
            node = Chain(node, tuple(rest))
        return node

    def _prefix(self, depth: int) -> Node:
        operators = []
        while self._peek() in _PREFIXES:
            operators.append(self._take(self._peek()))
            if len(operators) > MAX_META_DEPTH:
                raise InvalidExpressionError(f"more than {MAX_META_DEPTH} operators in a row")
        node = self._primary(depth)
        for operator in reversed(operators):
            node = Prefix(operator, node)
        return node

    def _primary(self, depth: int) -> Node:
        if self._at >= len(self._tokens):
            raise InvalidExpressionError("ends where a name or number should be")
        token = self._tokens[self._at]
        self._at += 1
        match token.kind:
            case "number":
                return Number(float(token.text))
            case "name":
                return Name(token.text)
            case "call":
                return Call(token.text, token.argument)
        if token.text != "(":
            raise InvalidExpressionError(f"unexpected {token.text!r}")
        node = self.choice(depth + 1)
        self._take(")")
        return node

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        token = self._tokens[self._at]
        return token.text if token.kind == "op" else ""

    def _take(self, text: str) -> str:
        if self._peek() != text:
            raise InvalidExpressionError(f"{text!r} is missing")
        self._at += 1
        return text
