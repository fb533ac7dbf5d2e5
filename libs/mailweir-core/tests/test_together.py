"""Several evaluators side by side: as few rounds as the slowest needs, each question once a round."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.asking import Asking, drive, together


def asks(*rounds: tuple[str, ...]) -> Asking[list[str]]:
    """Ask round after round, and return every answer."""
    said: list[str] = []
    for questions in rounds:
        said += yield questions
    return said


def says(questions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(q.upper() for q in questions)


def rounds_of(asking: Asking[Any]) -> tuple[list[tuple[str, ...]], Any]:
    seen: list[tuple[str, ...]] = []

    def answer(questions: tuple[str, ...]) -> tuple[str, ...]:
        seen.append(questions)
        return says(questions)

    return seen, drive(asking, answer)


def test_the_rounds_are_those_of_the_longest() -> None:
    seen, results = rounds_of(together(asks(("a",), ("b",)), asks(("c", "d"))))
    assert seen == [("a", "c", "d"), ("b",)]
    assert results == (["A", "B"], ["C", "D"])


def test_equal_questions_of_a_round_are_asked_once() -> None:
    seen, results = rounds_of(together(asks(("a", "b")), asks(("b", "a")), asks(("a", "a"))))
    assert seen == [("a", "b")]
    assert results == (["A", "B"], ["B", "A"], ["A", "A"])


def test_one_that_asks_nothing_has_its_result() -> None:
    seen, results = rounds_of(together(asks(), asks(("a",))))
    assert seen == [("a",)]
    assert results == ([], ["A"])


def test_an_empty_round_needs_no_answer() -> None:
    seen, results = rounds_of(together(asks((), ("a",)), asks(())))
    assert seen == [("a",)]
    assert results == (["A"], [])


def test_none_at_all() -> None:
    assert rounds_of(together()) == ([], ())


def test_what_one_raises_comes_out() -> None:
    def broken() -> Generator[tuple[str, ...], tuple[str, ...], None]:
        yield ("a",)
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        drive(together(asks(("b",), ("c",)), broken()), says)


def test_too_few_answers_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        drive(together(asks(("a", "b"))), lambda _: ("A",))


def test_they_nest() -> None:
    inner = together(asks(("a",), ("b",)), asks(("c",)))
    seen, results = rounds_of(together(inner, asks(("d",), ("b",))))
    assert seen == [("a", "c", "d"), ("b",)]
    assert results == ((["A", "B"], ["C"]), ["D", "B"])


plans = st.lists(st.lists(st.sampled_from("abcde"), max_size=4).map(tuple), max_size=4)


@given(st.lists(plans, max_size=5))
def test_each_gets_what_it_would_get_alone(all_rounds: list[list[tuple[str, ...]]]) -> None:
    seen, results = rounds_of(together(*(asks(*rounds) for rounds in all_rounds)))
    assert results == tuple(drive(asks(*rounds), says) for rounds in all_rounds)
    assert len(seen) <= max((len(rounds) for rounds in all_rounds), default=0)
    assert all(len(set(questions)) == len(questions) > 0 for questions in seen)
