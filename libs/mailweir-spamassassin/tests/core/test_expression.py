"""Expressions: precedence, limits, and the functions they become."""

import pytest
from hypothesis import given, strategies as st

from mailweir_spamassassin.meta.expression import (
    Empty,
    InvalidExpressionError,
    names_of,
    parse,
)
from mailweir_spamassassin.meta.order import expand_globs, in_order, reachable
from mailweir_spamassassin.meta.program import compile_meta

NAMES = {"A": 0, "B": 1, "C": 2}


def _value(text: str, a: float = 0, b: float = 0, c: float = 0) -> float:
    return compile_meta(parse(text), NAMES, {"local_tests_only": 1})([a, b, c])


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("A && B", (1, 2, 0), 2),
        ("A || B && C", (0, 1, 0), 0),
        ("!A", (0, 0, 0), 1),
        ("!!A", (3, 0, 0), 1),
        ("!A && !B", (0, 0, 0), 1),
        ("A + B + C > 1", (1, 1, 0), 1),
        ("(3 * A - 2 * B) > 0", (1, 1, 0), 1),
        ("A - B - C", (5, 2, 1), 2),
        ("A / B", (1, 0, 0), 0),
        ("A / B", (1, 4, 0), 0.25),
        ("2 * A / B * C", (3, 2, 5), 15),
        ("A ^ B", (1, 3, 0), 2),
        ("A == 1", (1, 0, 0), 1),
        ("A != B", (1, 1, 0), 0),
        ("A >= 2 ? B : C", (2, 7, 8), 7),
        ("A <= 1 ? B : C", (2, 7, 8), 8),
        ("-A + 1", (3, 0, 0), -2),
        ("+A", (3, 0, 0), 3),
        ("UNKNOWN + A", (3, 0, 0), 3),
        ("local_tests_only", (0, 0, 0), 1),
        ("A < B", (0, 0.5, 0), 1),
        ("1.5 * A", (2, 0, 0), 3),
        ("()", (1, 1, 1), 0),
        ("((A))", (4, 0, 0), 4),
    ],
)
def test_values(text: str, values: tuple[float, float, float], expected: float) -> None:
    assert float(_value(text, *values)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "A B", "A &&", "&& A", "(A", "A)", "A == B == C", "A and $x", "A; B", "A % 2", "@A",
        "A & B", "A ? B",
        "A ?: B", "1..2 + A", "__import__('os')", "(" * 100 + "A" + ")" * 100, "!" * 200 + "A",
        "A" + " / 2" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(InvalidExpressionError):
        parse(text)


def test_long_sums_are_no_deep_trees() -> None:
    assert _value(" + ".join(["A"] * 9000), 1) == 9000
    assert _value(" - ".join(["A"] * 9000), 1) == -8998
    assert _value(" * ".join(["A"] * 999), 1) == 1
    assert _value(" && ".join(["A"] * 9000), 1) == 1


def test_too_long_an_expression_ends_with_a_message() -> None:
    with pytest.raises(InvalidExpressionError, match="more than"):
        parse(" + ".join(["A"] * 50_000))


def test_nothing_but_an_empty_pair_is_a_rule_for_others_to_fire() -> None:
    assert parse(" ( ) ") == Empty()


def test_names_come_in_reading_order() -> None:
    assert list(names_of(parse("(B ? A : C) + !A && D"))) == ["B", "A", "C", "A", "D"]


@given(st.text(alphabet="AB01.()!&|<>=+-*/^?: \t", max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        node = parse(text)
    except InvalidExpressionError:
        return
    assert isinstance(compile_meta(node, NAMES, {})([1, 0, 2]), int | float)


def test_globs() -> None:
    names = ["__FOO_1", "__FOO_22", "__BAR", "OWN__FOO"]
    assert list(names_of(expand_globs(parse("rules_matching(__FOO_*)"), names, "X"))) == [
        "__FOO_1",
        "__FOO_22",
    ]
    assert list(names_of(expand_globs(parse("1 + rules_matching(__FOO_?)"), names, "X"))) == [
        "__FOO_1"
    ]
    assert list(names_of(expand_globs(parse("rules_matching(*)"), names, "__BAR"))) == [
        "__FOO_1", "__FOO_22", "OWN__FOO",
    ]  # fmt: skip
    assert list(
        names_of(expand_globs(parse("A && (rules_matching(NO*) ? B : C)"), names, "X"))
    ) == ["A", "B", "C"]


def test_order_and_circles() -> None:
    metas = {
        n: parse(t)
        for n, t in {"A": "B && C", "B": "C + X", "C": "1", "D": "E", "E": "D", "F": "D"}.items()
    }
    ordered, circle = in_order(metas)
    assert ordered.index("C") < ordered.index("B") < ordered.index("A")
    assert circle == {"D", "E", "F"}
    assert reachable(["A"], metas) == {"A", "B", "C", "X"}
