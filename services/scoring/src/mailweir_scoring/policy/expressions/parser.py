"""From text to conditions: `!` before `&` before `|`, parentheses, symbols, and tests of fields.

    expression = every ("|" every)*
    every      = part ("&" part)*
    part       = "!" part | "(" expression ")" | SYMBOL | field ["~" /pattern/flags | "=" "text"]

Depth, number of tests and sizes are bounded, so that a rule file cannot hang the start or eat the memory.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from mailweir_scoring.policy.linear import Pattern, PatternError

from .fields import is_field
from .model import Condition, Equals, Every, ExpressionError, Matches, Not, Present, Some, Symbol

MAX_CHARACTERS: Final = 4000
MAX_DEPTH: Final = 30
"""Parentheses and negations, one inside the other."""
MAX_TESTS: Final = 100
"""Symbols and fields in one expression."""
MAX_PATTERN: Final = 1000
FLAGS: Final = "ims"

_TOKEN: Final = re.compile(
    r"""\s*+(?:(?P<mark>[()&|!~=])
      | /(?P<pattern>(?:[^/\\\n]|\\.)*+)/(?P<flags>[a-z]*+)
      | "(?P<text>[^"\n]*+)"
      | (?P<name>[A-Za-z][\w.:-]*+)
      | (?P<end>\Z))""",
    re.VERBOSE,
)
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9_]{2,47}")


class _Token(NamedTuple):
    kind: str
    text: str
    column: int
    flags: str = ""


def parse(text: str) -> Condition:
    """Return the condition that a text says. Raises ExpressionError with the column of what is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(1, f"longer than {MAX_CHARACTERS} characters")
    parser = _Parser(text)
    condition = parser.some(0)
    if parser.now.kind != "end":
        raise ExpressionError(parser.now.column, f"unexpected `{parser.now.text}`")
    return condition


class _Parser:
    """One pass over the tokens; `now` is the one that is looked at."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tests = 0
        self.now = self._next()

    def some(self, depth: int) -> Condition:
        parts = self._chain("|", lambda: self._every(depth))
        return parts[0] if len(parts) == 1 else Some(parts)

    def _every(self, depth: int) -> Condition:
        parts = self._chain("&", lambda: self._part(depth))
        return parts[0] if len(parts) == 1 else Every(parts)

    def _chain(self, mark: str, one: Callable[[], Condition]) -> tuple[Condition, ...]:
        parts = [one()]
        while self._take(mark):
            parts.append(one())
        return tuple(parts)

    def _part(self, depth: int) -> Condition:
        column = self.now.column
        if depth > MAX_DEPTH:
            raise ExpressionError(column, f"nested deeper than {MAX_DEPTH}")
        if self._take("!"):
            return Not(self._part(depth + 1))
        if self._take("("):
            inner = self.some(depth + 1)
            if not self._take(")"):
                raise ExpressionError(self.now.column, f"`)` is missing for the `(` at {column}")
            return inner
        return self._test()

    def _test(self) -> Condition:
        token = self.now
        if token.kind != "name":
            what = f"not `{token.text}`" if token.text else "not the end"
            raise ExpressionError(token.column, f"a symbol or a field is expected here, {what}")
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise ExpressionError(token.column, f"more than {MAX_TESTS} symbols and fields")
        self.now = self._next()
        if _SYMBOL.fullmatch(token.text):
            return Symbol(token.text)
        if not is_field(token.text):
            raise ExpressionError(
                token.column, f"`{token.text}` is neither a symbol nor a known field"
            )
        return self._of_field(token.text)

    def _of_field(self, field: str) -> Condition:
        if self._take("~"):
            token = self._value("pattern", "a pattern, /…/, is expected after `~`")
            return Matches(field, token.text, _compiled(token))
        if self._take("="):
            return Equals(
                field,
                self._value("text", 'a text, "…", is expected after `=`').text.lower().encode(),
            )
        return Present(field)

    def _value(self, kind: str, otherwise: str) -> _Token:
        token = self.now
        if token.kind != kind:
            raise ExpressionError(token.column, otherwise)
        self.now = self._next()
        return token

    def _take(self, mark: str) -> bool:
        if self.now.kind != "mark" or self.now.text != mark:
            return False
        self.now = self._next()
        return True

    def _next(self) -> _Token:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            rest = self._text[self._at :]
            column = self._at + len(rest) - len(rest.lstrip()) + 1
            raise ExpressionError(column, f"cannot read `{rest.strip()[:20]}`")
        self._at = found.end()
        kind = str(found.lastgroup) if found["flags"] is None else "pattern"
        return _Token(kind, found[kind], found.start(kind) + 1, found["flags"] or "")


def _compiled(token: _Token) -> Pattern:
    odd = sorted(set(token.flags) - set(FLAGS))
    if odd:
        raise ExpressionError(
            token.column, f"unknown flag `{odd[0]}`: there are {', '.join(FLAGS)}"
        )
    if len(token.text) > MAX_PATTERN:
        raise ExpressionError(token.column, f"a pattern longer than {MAX_PATTERN} characters")
    prefix = f"(?{token.flags})" if token.flags else ""
    try:
        return Pattern(prefix + token.text.replace("\\/", "/"))
    except PatternError as error:
        raise ExpressionError(token.column, f"not a pattern of RE2: {error}") from error
