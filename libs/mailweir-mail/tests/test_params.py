"""Content-Type and Content-Disposition values."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import parse_value


def params(text: str) -> dict[str, str]:
    return dict(parse_value(text, 64).params)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("text/plain", "text/plain"),
        (" Text / HTML ", "text/html"),
        ("TEXT/plain; charset=x", "text/plain"),
        ("text/plain (a comment); charset=x", "text/plain"),
        ("(comment) text (one) / (two) plain", "text/plain"),
        ("inline", "inline"),
        ("attachment; filename=a", "attachment"),
        ("text/", "text"),
        ("/plain", ""),
        (";charset=x", ""),
        ("name=value", ""),
        ("multipart/mixed boundary=x", "multipart/mixed"),
    ],
)
def test_value(text: str, value: str) -> None:
    assert parse_value(text, 64).value == value


def test_main_and_sub_type() -> None:
    value = parse_value("Text/HTML", 64)
    assert (value.main, value.sub) == ("text", "html")
    assert (parse_value("inline", 64).main, parse_value("inline", 64).sub) == ("inline", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b; x=1; Y=Two", {"x": "1", "y": "Two"}),
        ("a/b;x=1;y=2;", {"x": "1", "y": "2"}),
        ('a/b; x="a b;c=d"; y=2', {"x": "a b;c=d", "y": "2"}),
        ('a/b; x="say \\"hi\\" \\\\"', {"x": 'say "hi" \\'}),
        ("a/b; x = 1 ; y =2", {"x": "1", "y": "2"}),
        # no semicolons
        ("a/b x=1 y=2", {"x": "1", "y": "2"}),
        ("a/b; x=1 y=2", {"x": "1", "y": "2"}),
        # a bare file name with blanks runs to the semicolon
        ("a/b; filename=two words.pdf; y=2", {"filename": "two words.pdf", "y": "2"}),
        ("a/b; filename=report (1).pdf", {"filename": "report (1).pdf"}),
        ("a/b; x=1 (comment); y=2", {"x": "1", "y": "2"}),
        # not closed
        ('a/b; x="open', {"x": "open"}),
        ('a/b; x="open\\', {"x": "open"}),
        # empty and nameless
        ("a/b; x=; y=2", {"x": "", "y": "2"}),
        ("a/b; =1; y=2", {"y": "2"}),
        ("a/b; flag; y=2", {"y": "2"}),
        # encoded words, against RFC 2047 but usual
        ('a/b; name="=?utf-8?q?caf=C3=A9?="', {"name": "café"}),
        # RFC 2231
        ("a/b; x*=utf-8'en'caf%C3%A9", {"x": "café"}),
        ("a/b; x*0=a; x*1=b; x*2=c", {"x": "abc"}),
        ("a/b; x*2=c; x*0=a; x*1=b", {"x": "abc"}),
        ("a/b; x*0*=iso-8859-1''%E9; x*1=-; x*2*=%E8", {"x": "é-è"}),
        ("a/b; x*0*=utf-8''%C3; x*1*=%A9", {"x": "é"}),
        ("a/b; x*=''plain", {"x": "plain"}),
        ("a/b; x*=no%20quotes", {"x": "no quotes"}),
        ("a/b; x*=bogus''%E9", {"x": "é"}),
        ("a/b; x*0*=iso-8859-1'de'%E4; x*1*=iso-8859-1'%F6", {"x": "äö"}),
        # the extended form wins over the plain one
        ("a/b; x=plain; x*=utf-8''good", {"x": "good"}),
        ("a/b; x*=utf-8''good; x=plain", {"x": "good"}),
    ],
)
def test_parameters(text: str, expected: dict[str, str]) -> None:
    assert params(text) == expected


def test_the_first_of_two_counts_and_the_other_is_named() -> None:
    value = parse_value("a/b; boundary=one; boundary=two; x=1; x=1", 64)
    assert value.get("boundary") == "one"
    assert value.duplicates == ("boundary",)
    assert value.get("absent") is None


def test_there_is_a_limit() -> None:
    text = "a/b" + "".join(f"; p{number}=x" for number in range(100))
    assert len(parse_value(text, 10).params) == 10


@given(st.text(st.sampled_from("ab/;=\"\\' *%0123(),\t"), max_size=80))
def test_any_text_parses(text: str) -> None:
    value = parse_value(text, 64)
    assert value.value == value.value.lower()
    assert all(name == name.lower() for name, _ in value.params)
