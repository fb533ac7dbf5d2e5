"""Meta rules made ready to run: each expression a Python function over the list of all rules' values."""

import ast
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Final

from mailweir_spamassassin.meta.expression import (
    Call,
    Chain,
    Choice,
    Empty,
    Name,
    Node,
    Number,
    Prefix,
)

Values = list[float]
MetaFunction = Callable[[Values], float]

_COMPARISONS: Final[Mapping[str, type[ast.cmpop]]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE,
}  # fmt: skip


def _divide(left: float, right: float) -> float:
    return left / right if right else 0.0


def _exclusive_or(left: float, right: float) -> float:
    return float(int(left) ^ int(right))


_GLOBALS: Final[dict[str, object]] = {
    "__builtins__": {}, "divide": _divide, "exclusive_or": _exclusive_or,
}  # fmt: skip


def compile_meta(
    node: Node, numbers: Mapping[str, int], constants: Mapping[str, float]
) -> MetaFunction:
    """Return an expression as a function of the rules' values.

    `numbers` gives the place of a rule's value; a name without one is 0, or what `constants` says. No text is
    evaluated: the tree becomes Python's own tree node by node, and that has no names but the two helpers'.
    """
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg("v")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    body = ast.Lambda(arguments, _Writer(numbers, constants).write(node))
    tree = ast.fix_missing_locations(ast.Expression(body))
    code = compile(tree, "<meta>", "eval")
    inner = next(c for c in code.co_consts if isinstance(c, CodeType))
    return FunctionType(inner, _GLOBALS)


class _Writer:
    def __init__(self, numbers: Mapping[str, int], constants: Mapping[str, float]) -> None:
        self._numbers = numbers
        self._constants = constants

    def write(self, node: Node) -> ast.expr:
        match node:
            case Number(value):
                return ast.Constant(int(value) if value.is_integer() else value)
            case Name(text):
                return self._name(text)
            case Prefix(operator, operand):
                return _prefix(operator, self.write(operand))
            case Chain(first, rest):
                return self._chain(first, rest)
            case Choice(condition, yes, no):
                return ast.IfExp(self.write(condition), self.write(yes), self.write(no))
            case Call() | Empty():
                return ast.Constant(0)

    def _name(self, text: str) -> ast.expr:
        number = self._numbers.get(text)
        if number is None:
            return ast.Constant(self._constants.get(text, 0))
        return ast.Subscript(ast.Name("v", ast.Load()), ast.Constant(number), ast.Load())

    def _chain(self, first: Node, rest: tuple[tuple[str, Node], ...]) -> ast.expr:
        operator = rest[0][0]
        if operator in ("||", "&&"):
            join = ast.Or() if operator == "||" else ast.And()
            return ast.BoolOp(join, [self.write(n) for n in (first, *(n for _, n in rest))])
        parts = [(op, self.write(n)) for op, n in rest]
        if operator in ("+", "-"):
            signed = [_prefix("-", v) if op == "-" else v for op, v in parts]
            return _balanced(ast.Add(), [self.write(first), *signed])
        if all(op == "*" for op, _ in parts):
            return _balanced(ast.Mult(), [self.write(first), *(v for _, v in parts)])
        value = self.write(first)
        for each, part in parts:
            value = _binary(each, value, part)
        return value


def _balanced(operator: ast.operator, values: list[ast.expr]) -> ast.expr:
    """Return a sum or product as a tree of little depth: Python's compiler refuses deep ones."""
    while len(values) > 1:
        pairs = [
            ast.BinOp(values[i], operator, values[i + 1]) for i in range(0, len(values) - 1, 2)
        ]
        values = [*pairs, values[-1]] if len(values) % 2 else [*pairs]
    return values[0]


def _prefix(operator: str, value: ast.expr) -> ast.expr:
    match operator:
        case "!":
            return ast.UnaryOp(ast.Not(), value)
        case "-":
            return ast.UnaryOp(ast.USub(), value)
    return ast.UnaryOp(ast.UAdd(), value)


def _binary(operator: str, left: ast.expr, right: ast.expr) -> ast.expr:
    if operator == "*":
        return ast.BinOp(left, ast.Mult(), right)
    if operator in _COMPARISONS:
        return ast.Compare(left, [_COMPARISONS[operator]()], [right])
    helper = "divide" if operator == "/" else "exclusive_or"
    return ast.Call(ast.Name(helper, ast.Load()), [left, right], [])
