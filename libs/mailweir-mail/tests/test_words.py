"""RFC 2047 words, good and broken."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.defects import DefectKind
from mailweir_mail.words import decode_text_words, decode_words, undecoded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", ""),
        (b" plain \r\n", "plain"),
        (b"a\r\n b\n\tc", "a b c"),
        (b"=?utf-8?q?caf=C3=A9?=", "café"),
        (b"=?UTF-8?B?Y2Fmw6k=?=", "café"),
        (b"=?iso-8859-1?Q?a_b=5F?=", "a b_"),
        # white space between words is not shown, that beside text is
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n =?utf-8?b?Yg==?=", "ab"),
        (b"x =?utf-8?q?a?= y =?utf-8?q?b?= z", "x a y b z"),
        (b"x=?utf-8?q?a?=y", "xay"),
        # a character split over words, and over a Q and a B word
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        (b"=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=", "éé"),
        (b"=?utf-8?q?=C3?= =?utf-8?b?qQ==?=", "é"),
        # language tag (RFC 2231 section 5)
        (b"=?utf-8*en?q?a?=", "a"),
        # padding and foreign characters in B words
        (b"=?utf-8?b?Y2Fmw6k?=", "café"),
        (b"=?utf-8?b?Y2Fm w6k=?=", "café"),
        (b"=?utf-8?b?Y2Fmw6kx?=", "café1"),
        (b"=?utf-8?b?Y2Fmw?=", "caf"),
        (b"=?utf-8?b??=", ""),
        # raw blanks and question marks in Q words
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8?q?what? why??=", "what? why?"),
        (b"=?utf-8?q?=3D?=", "="),
        # an encoded line break is shown as a blank
        (b"=?utf-8?q?a=0D=0A_b?=", "a b"),
        (b"=?utf-8?q?a=0Ab?=", "a b"),
        # what is no word stays
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"a =? b", "a =? b"),
        (b"=??q?a?=", "=??q?a?="),
        (b"=?utf-8?q?first =?utf-8?q?second?=", "=?utf-8?q?first second"),
        # gb2312 is read as gb18030, shift_jis as cp932
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"),
    ],
)
def test_decoding(value: bytes, text: str) -> None:
    assert decode_words(value).text == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ü".encode(), "ü"),
        (b"M\xfcller", "Müller"),
        ("=?iso-8859-1?q?M\xfcller?=".encode("latin-1"), "Müller"),
        ("=?iso-8859-1?q?Müller?=".encode(), "Müller"),
        ("=?utf-8?q?Müller?=".encode(), "Müller"),
        ("=?us-ascii?q?日本?=".encode(), "日本"),
    ],
)
def test_octets_that_should_have_been_encoded(value: bytes, text: str) -> None:
    assert decode_words(value).text == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"fine", ()),
        (b"=?utf-8?q?a?=", ()),
        (b"=?utf-8?q?a", (DefectKind.ENCODED_WORD,)),
        (b"=?bogus?q?a?=", (DefectKind.ENCODED_WORD,)),
        (b"=?utf-8?q?=FF?=", (DefectKind.ENCODED_WORD,)),
        (b"M\xfcller", (DefectKind.HEADER_8BIT,)),
        (b"M\xfcller =?utf-8?q?a", (DefectKind.HEADER_8BIT, DefectKind.ENCODED_WORD)),
    ],
)
def test_what_is_wrong_is_said(value: bytes, expected: tuple[DefectKind, ...]) -> None:
    assert decode_words(value).defects == expected


def test_undecoded_leaves_the_words_alone() -> None:
    assert undecoded(b" =?utf-8?q?a=2C?=\r\n <a@b>\r\n").text == "=?utf-8?q?a=2C?= <a@b>"


def test_text_without_words_comes_back_itself() -> None:
    assert decode_text_words("no words").text == "no words"


def test_an_endless_label_is_no_word() -> None:
    value = "=?" + "x" * 100 + "?q?a?="
    assert decode_text_words(value).text == value


@given(st.binary(max_size=200))
def test_any_octets_decode(value: bytes) -> None:
    words = decode_words(value)
    assert "\n" not in words.text


@given(st.text(max_size=60))
def test_what_is_encoded_comes_back(text: str) -> None:
    shown = "".join(" " if char in "\r\n" else char for char in text.replace("\r\n", "\n"))
    data = text.encode("utf-8", "replace")
    word = b"=?utf-8?q?" + b"".join(b"=%02X" % octet for octet in data) + b"?="
    expected = " ".join(shown.split(" ")) if "\n" not in text and "\r" not in text else None
    found = decode_words(word).text
    if expected is not None and not text.startswith("\ufeff"):
        assert found == expected.encode("utf-8", "replace").decode()
