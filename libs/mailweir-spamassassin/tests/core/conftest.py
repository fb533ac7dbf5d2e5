"""A message view made of plain values, and books made of plain texts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.conf.source import MemorySource
from mailweir_spamassassin.loading import Loaded, load
from mailweir_spamassassin.rulebook import RuleBook
from mailweir_spamassassin.view.api import EvalContext


@dataclass
class PlainView:
    """A message as a test writes it; `headers` are looked up by `Name` or `Name:modifier`."""

    headers: Mapping[str, bytes] = field(default_factory=dict)
    body: tuple[bytes, ...] = ()
    rawbody: tuple[bytes, ...] = ()
    full: bytes = b""
    uris: tuple[bytes, ...] = ()
    parts: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def header(self, name: str, modifier: str = "") -> bytes | None:
        return self.headers.get(f"{name}:{modifier}" if modifier else name)

    def headers_all(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        value = self.header(name, modifier)
        return () if value is None else (value,)

    def mimeheader(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        return self.parts.get(name, ())


def _argument(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """Hit as often as the first argument says."""
    return int(arguments[0])


def _seen(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """Hit where the rule named as argument has hit."""
    return context.hits.get(arguments[0], 0)


def _target(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int(context.target == arguments[0] and "ok_locales" in context.settings)


EVALS = Evals(
    {
        "check_number": _argument,
        "check_seen": _seen,
        "check_in_welcomelist": _argument,
        "check_target": _target,
    },
    {"check_far_away": "asks a far away service"},
)

LoadText = Callable[..., Loaded]
Book = Callable[[str], RuleBook]


@pytest.fixture
def load_text() -> LoadText:
    """Return what loads one text, or several by name, leniently."""

    def _load(text: str = "", *, strict: bool = False, net: bool = False, **files: str) -> Loaded:
        named = {f"{name}.cf": content.encode() for name, content in files.items()}
        source = MemorySource({"rules.cf": text.encode("latin-1"), **named})
        return load(source, EVALS, strict=strict, net=net)

    return _load


@pytest.fixture
def book(load_text: LoadText) -> Book:
    """Return what makes a rule book of a text without any problem."""

    def _book(text: str) -> RuleBook:
        loaded = load_text(text)
        assert loaded.problems == ()
        assert loaded.book is not None
        return loaded.book

    return _book


@pytest.fixture
def view() -> type[PlainView]:
    """Return the class of plain views."""
    return PlainView
