import zlib

import numpy as np
from hypothesis import given, strategies as st

from mailweir_model.features.hashing import (
    EMPTY,
    checksums,
    distinct,
    grams,
    hash_lists,
    hash_words,
    mix,
    pair,
)

words = st.lists(st.text(min_size=1, max_size=12).filter(lambda w: "\n" not in w), max_size=30)


@given(words)
def test_each_word_has_its_hash_wherever_it_stands(items: list[str]) -> None:
    hashed = hash_words(items, 3)
    assert len(hashed) == len(items)
    for word, value in zip(items, hashed, strict=True):
        assert hash_words([word], 3)[0] == value


def test_views_are_kept_apart() -> None:
    assert hash_words(["word"], 1)[0] != hash_words(["word"], 2)[0]


def test_the_hash_is_the_same_on_every_machine() -> None:
    expected = mix(np.array([zlib.crc32(b"word")], np.uint32), 7)
    assert hash_words(["word"], 7).tolist() == expected.tolist()
    # what an artefact was taught by must not change with a library
    assert hash_words(["word"], 0).tolist() == [3704968978]


def test_the_order_of_a_pair_counts() -> None:
    a, b = hash_words(["a"], 0), hash_words(["b"], 0)
    assert pair(a, b, 1)[0] != pair(b, a, 1)[0]


@given(st.lists(words, min_size=1, max_size=4))
def test_many_lists_are_hashed_as_each_by_itself(lists: list[list[str]]) -> None:
    together = hash_lists([(items, seed) for seed, items in enumerate(lists)])
    alone = [hash_words(items, seed) for seed, items in enumerate(lists)]
    assert [found.tolist() for found in together] == [found.tolist() for found in alone]


@given(st.lists(st.text(max_size=8), max_size=20))
def test_a_line_feed_in_a_word_makes_no_two_of_it(items: list[str]) -> None:
    plain = [item.replace("\n", " ") for item in items]
    assert len(checksums(items)) == len(items)
    assert checksums(items).tolist() == checksums(plain).tolist()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_different_numbers_in_rising_order(values: list[int]) -> None:
    assert distinct(np.array(values, np.uint64)).tolist() == sorted(set(values))


def test_nothing_gives_nothing() -> None:
    assert len(hash_words([], 1)) == len(checksums([])) == len(EMPTY) == 0
    assert [len(found) for found in hash_lists([([], 1), (["a"], 2), ([], 3)])] == [0, 1, 0]
    assert len(grams("", (5,), 1)) == 0


def test_grams_are_all_pieces_of_the_text_with_blanks_around() -> None:
    assert len(grams("ab", (3,), 1)) == 2  # " ab" and "ab "
    assert set(grams("free", (3,), 1).tolist()) < set(grams("a free b", (3,), 1).tolist())


@given(st.text(max_size=50))
def test_any_text_has_grams(text: str) -> None:
    assert grams(text, (1,), 1).dtype == np.uint32


def test_lone_surrogates_do_not_raise() -> None:
    assert len(hash_words(["\ud800"], 1)) == 1
    assert len(grams("\ud800\udc00", (3,), 1)) == 2
