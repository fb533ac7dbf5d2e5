"""Texts that are alike have fingerprints that are alike."""

import random

import pytest

from mailweir_model.fingerprint import BANDS, Fingerprint, Kind
from mailweir_model.fingerprint.book import LEAST_BANDS
from mailweir_model.fingerprint.shingles import LEAST_DISTINCT, text_value

VOCABULARY = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "lmnrst"]


def text(count: int, seed: int = 1) -> list[str]:
    return random.Random(seed).choices(VOCABULARY, k=count)


def likeness(one: list[str], other: list[str]) -> float:
    a, b = (Fingerprint(Kind.TEXT, text_value(words)) for words in (one, other))
    return a.likeness(b)


def test_the_same_words_have_the_same_value() -> None:
    value = text_value(text(200))
    assert value == text_value(text(200))
    assert len(value) == BANDS * 16
    assert set(value) <= set("0123456789abcdef")


def test_the_value_does_not_depend_on_the_process() -> None:
    # stored and shared between processes: it must never change
    assert text_value(VOCABULARY)[:32] == "b404d3efebb5ee708e8e7f89457f1469"


@pytest.mark.parametrize("seed", range(8))
def test_a_few_changed_words_leave_it_alike(seed: int) -> None:
    words = text(300, seed)
    changed = list(words)
    for number in range(6):
        changed[number * 50] = f"name{'abcdef'[number]}"
    assert likeness(words, changed) * BANDS >= LEAST_BANDS


@pytest.mark.parametrize("seed", range(8))
def test_words_put_before_and_behind_leave_it_alike(seed: int) -> None:
    words, noise = text(300, seed), random.Random(seed).choices(["xaq", "zzo", "yuk"], k=20)
    assert likeness(words, [*noise, *words, *noise]) * BANDS >= LEAST_BANDS


def test_different_texts_are_not_alike() -> None:
    values = [text(200, seed) for seed in range(40)]
    worst = max(likeness(values[0], other) for other in values[1:])
    assert worst * BANDS < LEAST_BANDS


def test_the_same_words_in_another_order_are_another_text() -> None:
    words = text(200)
    assert likeness(words, sorted(words)) * BANDS < LEAST_BANDS


@pytest.mark.parametrize(
    "words", [[], ["one"], ["one", "two"] * 500, VOCABULARY[: LEAST_DISTINCT - 1]]
)
def test_a_text_that_says_too_little_has_none(words: list[str]) -> None:
    assert text_value(words) == ""


def test_surrogates_do_no_harm() -> None:
    assert text_value([*VOCABULARY, "\ud800\udfff"])
