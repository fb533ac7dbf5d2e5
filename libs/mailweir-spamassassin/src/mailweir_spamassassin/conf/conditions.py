"""`if` lines: which version and which plugins a part of a rule file is for."""

from typing import Final

from mailweir_spamassassin.conf.features import ABILITIES, PLUGIN_ALIASES, PLUGINS
from mailweir_spamassassin.meta.expression import (
    Call,
    Chain,
    Choice,
    Empty,
    InvalidExpressionError,
    Name,
    Node,
    Number,
    Prefix,
    parse,
)

VERSION: Final = 4.000001
"""The release of SpamAssassin whose files and semantics this package follows, as its files write it."""
VERSION_TEXT: Final = "4.000001"
PERL_VERSION: Final = 5.036
_WORDS: Final = {"version": VERSION, "perl_version": PERL_VERSION, "local_tests_only": 1.0}


def holds(expression: str) -> bool:
    """Say whether the lines under `if expression` count. Raises InvalidExpressionError."""
    return bool(_value(parse(expression)))


def has_plugin(name: str) -> bool:
    """Say whether a plugin is one of those that this package stands in for."""
    return PLUGIN_ALIASES.get(name, name) in PLUGINS


def _value(node: Node) -> float:
    match node:
        case Number(value):
            return value
        case Name(text):
            return _word(text)
        case Call(function, argument):
            return float(_call(function, argument))
        case Prefix(operator, operand):
            return _prefix(operator, _value(operand))
        case Chain(first, rest):
            return _chain(first, rest)
        case Choice(condition, yes, no):
            return _value(yes) if _value(condition) else _value(no)
        case Empty():
            return 0.0


def _word(text: str) -> float:
    if text not in _WORDS:
        raise InvalidExpressionError(f"unknown word {text!r}")
    return _WORDS[text]


def _call(function: str, argument: str) -> bool:
    if function == "plugin":
        return has_plugin(argument)
    if function == "rules_matching":
        raise InvalidExpressionError("rules_matching() has no place in a condition")
    module, separator, _ = argument.rpartition("::")
    if not separator:
        raise InvalidExpressionError(f"no '::' in {function}({argument})")
    return argument in ABILITIES and (not _is_plugin(module) or has_plugin(module))


def _is_plugin(module: str) -> bool:
    return "::Plugin::" in module


def _prefix(operator: str, value: float) -> float:
    if operator == "!":
        return float(not value)
    return -value if operator == "-" else value


def _chain(first: Node, rest: tuple[tuple[str, Node], ...]) -> float:
    value = _value(first)
    for operator, node in rest:
        if operator == "||" and value:
            return value
        if operator == "&&" and not value:
            return value
        value = apply(operator, value, _value(node))
    return value


def apply(operator: str, left: float, right: float) -> float:
    """Return `left operator right` as Perl has it: a comparison gives 1 or 0, `/` by zero gives 0."""
    match operator:
        case "||":
            return left or right
        case "&&":
            return left and right
        case "+" | "-":
            return left + right if operator == "+" else left - right
        case "*":
            return left * right
        case "/":
            return left / right if right else 0.0
        case "^":
            return float(int(left) ^ int(right))
    return float(_compare(operator, left, right))


def _compare(operator: str, left: float, right: float) -> bool:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
    return left >= right
