"""What stands behind a rule's name: the text of a line → the test that it describes."""

import re
from typing import Final

from mailweir_spamassassin.conf.model import (
    EvalTest,
    ExistsTest,
    HeaderTest,
    MetaTest,
    NetworkTest,
    PatternTest,
    Target,
    Test,
)
from mailweir_spamassassin.meta.expression import InvalidExpressionError, parse

_EVAL: Final = re.compile(r"(?:rbl)?eval:\s*(\w+)\s*\((.*)\)\s*\Z", re.ASCII)
_ARGUMENT: Final = re.compile(
    r"""\s*(?:'([^']*)'|"([^"]*)"|([\d.:A-Za-z_-]+?))\s*(?:,\s*|\Z)""", re.ASCII
)
_EXISTS: Final = re.compile(r"exists:\s*([\w.-]+):?\Z", re.ASCII)
_HEADER: Final = re.compile(
    r"([\w.-]+)((?::[A-Za-z]+){0,3}):?\s*([=!]~)\s*(\S.*)\Z", re.ASCII | re.DOTALL
)
_UNSET: Final = re.compile(r"\s+\[if-unset:\s+(.+)\]\Z", re.DOTALL)
_MODIFIERS: Final = frozenset(
    ["raw", "addr", "name", "host", "domain", "ip", "revip", "first", "last"]
)
_NETWORK_EVALS: Final = ("check_rbl", "check_dns")
MAX_ARGUMENTS: Final = 256


class InvalidTestError(ValueError):
    """Raised for a text that describes no test."""


class InvalidMetaError(InvalidTestError):
    """Raised for a meta rule whose expression cannot be read."""


def read_test(target: Target, text: str) -> Test:
    """Return the test that `text` describes for a rule of `target`. Raises InvalidTestError."""
    if target is Target.META:
        return _meta(text)
    if target is not Target.MIMEHEADER and text.startswith(("eval:", "rbleval:")):
        return _eval(text)
    if target in (Target.HEADER, Target.MIMEHEADER):
        return _header(text)
    return PatternTest(text)


def _meta(text: str) -> MetaTest:
    try:
        return MetaTest(parse(text))
    except InvalidExpressionError as error:
        raise InvalidMetaError(str(error)) from error


def _eval(text: str) -> EvalTest | NetworkTest:
    found = _EVAL.match(text)
    if found is None:
        raise InvalidTestError("not eval:name(arguments)")
    if found[1].startswith(_NETWORK_EVALS):
        return NetworkTest(found[1])
    return EvalTest(found[1], _arguments(found[2]))


def _arguments(text: str) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    while text[at:].strip():
        match = _ARGUMENT.match(text, at)
        if match is None or len(found) >= MAX_ARGUMENTS:
            raise InvalidTestError(f"cannot read the argument at {text[at : at + 20]!r}")
        found.append(next(g for g in match.groups() if g is not None))
        at = match.end()
    return tuple(found)


def _header(text: str) -> HeaderTest | ExistsTest:
    exists = _EXISTS.match(text)
    if exists is not None:
        return ExistsTest(exists[1])
    found = _HEADER.match(text)
    if found is None:
        raise InvalidTestError("neither `Name =~ /pattern/` nor `exists:Name`")
    name, modifiers, operator, literal = found.groups()
    parts = [m.lower() for m in modifiers.split(":") if m]
    unknown = [m for m in parts if m not in _MODIFIERS]
    if unknown:
        raise InvalidTestError(f"unknown modifier :{unknown[0]}")
    unset = _UNSET.search(literal)
    if unset is not None:
        literal = literal[: unset.start()]
    default = unset[1] if unset is not None else None
    return HeaderTest(name, ":".join(parts), literal, operator == "!~", default)
