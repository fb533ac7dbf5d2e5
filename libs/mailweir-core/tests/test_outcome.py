"""Outcomes: closed words, sums, immutability."""

import dataclasses

import pytest

from mailweir_core.outcome import Advice, Lookup, Outcome, Signal, Status
from mailweir_core.reasons import Reason

SIGNALS = (Signal("A", 2.5, "headers"), Signal("B", -1.0, "body"))


def test_the_score_is_the_sum_of_the_signals() -> None:
    assert Outcome("scoring", Status.HIT, SIGNALS).score == 1.5
    assert Outcome("scoring", Status.OK).score == 0


def test_an_outcome_says_nothing_more_than_it_was_told() -> None:
    outcome = Outcome("greylist", Status.TEMPERROR)

    assert (outcome.advice, outcome.reason, outcome.lookups) == (Advice.NONE, None, ())


@pytest.mark.parametrize("value", [SIGNALS[0], Lookup("dns", "q", "a"), Outcome("x", Status.OK)])
def test_values_do_not_change(value: Signal | Lookup | Outcome) -> None:
    first = dataclasses.fields(value)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, first, "other")


@pytest.mark.parametrize("kind", [Status, Advice, Reason])
def test_words_are_lower_case_and_distinct(kind: type[Status | Advice | Reason]) -> None:
    values = [member.value for member in kind]

    assert len(set(values)) == len(values)
    assert all(value.replace("-", "").isalpha() and value == value.lower() for value in values)
