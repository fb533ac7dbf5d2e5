import zlib

import numpy as np
from hypothesis import given, strategies as st

from mailweir_model.features.hashing import EMPTY, grams, hash_facts, hash_words, mix, pair

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


@given(st.lists(st.text(max_size=8), max_size=20))
def test_facts_are_a_set_in_rising_order(items: list[str]) -> None:
    hashed = hash_facts(items, 1)
    assert (hashed[1:] > hashed[:-1]).all()
    assert hash_facts(reversed(items), 1).tolist() == hashed.tolist()


def test_nothing_gives_nothing() -> None:
    assert len(hash_words([], 1)) == len(hash_facts([], 1)) == len(EMPTY) == 0
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
