"""Which words of a mail its copies share."""

import pytest

from mailweir_mail import parse
from mailweir_model.fingerprint.words import (
    MOST_WORDS,
    TEXT_CHARACTERS,
    own_text,
    recipient_names,
    shown_text,
    words_of,
)


def text_of(raw: bytes) -> str:
    return shown_text(parse(raw).html_parts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dear Customer, your PARCEL is here!", "dear customer your parcel is here"),
        ("a I x be", "be"),  # single letters say nothing
        ("go to http://example.com/a?b=c or www.example.net now", "go to or now"),
        ("write to ann@example.com today", "write to today"),
        ("order 12345 of 2026", "order of"),
        ("x8f3k2q9 filler", "filler"),  # what is put there to differ
        ("Größe naïve мир", "größe naïve мир"),
        ("你好世界", "你 好 世 界"),  # no spaces between words: each letter is one
        ("สวัสดี", " ".join("สวัสดี")),
        ("", ""),
        ("!!! ... ---", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert words_of(text) == words.split()


def test_some_words_are_left_out() -> None:
    assert words_of("Dear Ann Other, hello ann", frozenset({"ann", "other"})) == ["dear", "hello"]


def test_words_and_text_are_bounded() -> None:
    assert len(words_of("word " * (MOST_WORDS * 3))) == MOST_WORDS
    raw = b"Subject: x\n\n" + b"word " * TEXT_CHARACTERS
    assert len(text_of(raw)) == TEXT_CHARACTERS


def test_a_run_of_letters_is_cut_and_not_lost() -> None:
    assert [len(w) for w in words_of("a" * 60)] == [24, 24, 12]


@pytest.mark.parametrize("mark", ["-- ", "--", "_____", "----------", "==========  "])
def test_what_stands_below_a_separator_is_not_the_mail_s_own(mark: str) -> None:
    assert own_text(f"Hello Bob,\nsee you\n{mark}\nThe list\nits footer\n").split() == [
        "Hello", "Bob,", "see", "you",
    ]  # fmt: skip


def test_a_separator_far_from_the_end_is_part_of_the_text() -> None:
    text = "news\n" * 300 + "==========\n" + "more news\n" * 300
    assert own_text(text) == text


def test_quoted_lines_are_another_s() -> None:
    assert own_text("> you wrote\n> this\nI agree\n>> before\n").split() == ["I", "agree"]


def test_html_is_read_as_it_is_shown() -> None:
    raw = b"Content-Type: text/html\n\n<p>Buy</p><p style='display:none'>hidden</p><b>now</b>"
    assert text_of(raw).split() == ["Buy", "now"]


def test_names_of_recipients() -> None:
    raw = b"To: Ann Other <a.other99@shop.example>\nCc: bob@example.com\n\nx"
    assert recipient_names(parse(raw)) == {"ann", "other", "shop", "bob", "example"}
    assert recipient_names(parse(b"Subject: none\n\nx")) == frozenset()
