"""Tag lists (RFC 6376 §3.2)."""

import pytest

from mailweir_mail.auth.dkim.model import DkimStatus, Unusable
from mailweir_mail.auth.dkim.tags import (
    TAGS,
    base64_value,
    compact,
    domain_name,
    names,
    number,
    parse_tags,
    without_value,
)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (b"a=b", {b"a": b"b"}),
        (b"a=b;", {b"a": b"b"}),
        (b" a = b ;\r\n\tc=d e\r\n ; ", {b"a": b"b", b"c": b"d e"}),
        (b"a=;b==", {b"a": b"", b"b": b"="}),
        (b"a=1; A=2", {b"a": b"1", b"A": b"2"}),
        (b"a_1=x", {b"a_1": b"x"}),
        ("d=b\u00fccher.example".encode(), {b"d": "b\u00fccher.example".encode()}),
        (b"", {}),
    ],
)
def test_lists_are_read(text: bytes, tags: dict[bytes, bytes]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize(
    "text",
    [
        b"a",
        b"=b",
        b"1a=b",
        b"a b=c",
        b"a=b;;c=d",
        b";a=b",
        b"a=b; a=c",
        b"a=\0",
        b"a=\x7f",
        b"a=b;" * (TAGS + 1),
    ],
)
def test_what_is_no_list_is_refused(text: bytes) -> None:
    with pytest.raises(Unusable) as caught:
        parse_tags(text)
    assert caught.value.status is DkimStatus.PERMERROR


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (b" a=x; b=abc", b" a=x; b="),
        (b" b = ab\r\n\tc ; a=x", b" b =; a=x"),
        (b" bh=abc; a=b", b" bh=abc; a=b"),
        (b" b=a=b=; c=d;", b" b=; c=d;"),
    ],
)
def test_a_value_is_deleted_with_the_space_around_it(text: bytes, without: bytes) -> None:
    assert without_value(text, b"b") == without


def test_base64_may_be_folded_but_not_broken() -> None:
    assert base64_value({b"b": b"aGVs\r\n\t bG8="}, b"b") == b"hello"
    for wrong in (b"", b" ", b"aGVsbG8", b"aGV*bG8=", b"\xff"):
        with pytest.raises(Unusable):
            base64_value({b"b": wrong}, b"b")
    with pytest.raises(Unusable, match="no bh="):
        base64_value({}, b"bh")


def test_numbers_are_decimal_and_short() -> None:
    assert number({b"t": b"0012"}, b"t") == 12
    assert number({}, b"t") is None
    for wrong in (b"", b"-1", b"1.5", b"0x1", b"1 2", b"1" * 13, b"\xd9\xa1"):
        with pytest.raises(Unusable):
            number({b"t": wrong}, b"t")


def test_names_are_lower_case_and_trimmed() -> None:
    assert names(b" From : TO\r\n\t:cc") == (b"from", b"to", b"cc")
    assert compact(b" a\tb\r\n c") == b"abc"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"Example.COM", "example.com"),
        (b"s1_2.example.com", "s1_2.example.com"),
        ("b\u00fccher.example".encode(), "xn--bcher-kva.example"),
        (b"", None),
        (b"example.com.", None),
        (b"exa mple.com", None),
        (b"a..b", None),
        (b"-a.example", None),
        (b"a" * 64 + b".example", None),
        (b"a." * 130 + b"b", None),
        (b"\xff\xfe.example", None),
    ],
)
def test_domains_are_names_in_a_labels(text: bytes, name: str | None) -> None:
    assert domain_name(text) == name
