import pytest
from hypothesis import given, strategies as st

from mailweir_model.features.language import language_of
from mailweir_model.features.shapes import bucket, shape, share_bucket
from mailweir_model.features.text import WORDS, split_quotes, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World", ("hello", "world")),
        ("it's don’t", ("it's", "don't")),
        ("1 22 333 1234567", ("0", "00", "000", "00000")),
        ("win $500!!!", ("win", "$", "000", "!!!")),
        ("see http://example.com/x now", ("see", "now")),
        ("write bob@example.com today", ("write", "today")),
        ("привет мир", ("привет", "мир")),
        ("日本語", ("日本", "本語")),
        ("", ()),
    ],
)
def test_words(text: str, expected: tuple[str, ...]) -> None:
    assert words_of(text) == expected


@given(st.text(max_size=300))
def test_words_are_short_and_have_no_white_space(text: str) -> None:
    for word in words_of(text):
        assert word
        assert len(word) <= 24
        assert not any(c.isspace() for c in word)


def test_a_long_text_is_cut() -> None:
    assert len(words_of("a b " * 5000)) == WORDS
    assert len(words_of("語" * 50_000)) <= WORDS


def test_quoted_lines_are_left_out() -> None:
    own, share = split_quotes("mine\n> theirs\n>> older\nmine too\n")
    assert "theirs" not in own
    assert "mine too" in own
    assert 0 < share < 1


def test_a_text_without_quotes_stays() -> None:
    assert split_quotes("a: b") == ("a: b", 0.0)


@pytest.mark.parametrize(
    ("text", "english", "script"),
    [
        (
            "This is what you have to do if you want to see it at all, so that we can go on",
            True,
            "latin",
        ),
        (
            "Wir haben heute leider keine Zeit, aber morgen sehen wir uns alle wieder im Büro",
            False,
            "latin",
        ),
        (
            "Bonjour, nous avons bien reçu votre commande et vous remercions de votre confiance",
            False,
            "latin",
        ),
        ("Здравствуйте, ваш заказ уже отправлен и скоро будет у вас дома", False, "cyrillic"),
        ("お世話になっております。会議の資料を送ります。", False, "cjk"),
        ("مرحبا، موعد الاجتماع غدا في الساعة العاشرة صباحا", False, "arabic"),
        ("Hi there", True, "latin"),
        ("", True, ""),
    ],
)
def test_language(text: str, english: bool, script: str) -> None:
    found = language_of(text, words_of(text))
    assert (found.is_english, found.script) == (english, script)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", "a3"), ("ABC123", "A303"), ("a-1", "a1-01"), ("é", "u1"), ("", "")],
)
def test_shape(text: str, expected: str) -> None:
    assert shape(text) == expected


@given(st.text(max_size=400))
def test_a_shape_is_bounded(text: str) -> None:
    assert len(shape(text)) <= 12 * 3


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_buckets_rise(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert bucket(low) <= bucket(high)


@given(st.floats(-1, 2))
def test_shares_have_twelve_steps(share: float) -> None:
    assert 0 <= share_bucket(share) <= 11
