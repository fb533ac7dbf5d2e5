"""Links in running text."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import LinkPlace
from mailweir_mail.links import find_links


def links(text: str) -> list[str]:
    return [link.href for link in find_links(text, 100)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("no links here, example.test neither", []),
        ("see http://a.test/b?c=d#e now", ["http://a.test/b?c=d#e"]),
        ("HTTPS://A.test", ["HTTPS://A.test"]),
        ("ftp://a.test/x and www.b.test/y", ["ftp://a.test/x", "www.b.test/y"]),
        ("WWW.b.test", ["WWW.b.test"]),
        (
            "Www.b.test, WWW.c.test and Mailto:a@b.test",
            ["Www.b.test", "WWW.c.test", "Mailto:a@b.test"],
        ),
        ("è WWW.b.test MAILTO:a@b.test", ["WWW.b.test", "MAILTO:a@b.test"]),
        ("mail mailto:a@b.test please", ["mailto:a@b.test"]),
        ("<http://a.test>", ["http://a.test"]),
        ('"http://a.test"', ["http://a.test"]),
        ("Look: http://a.test.", ["http://a.test"]),
        ("(http://a.test)", ["http://a.test"]),
        ("http://a.test/b_(c)", ["http://a.test/b_(c)"]),
        ("(see http://a.test/b_(c)).", ["http://a.test/b_(c)"]),
        ("http://a.test/!!!", ["http://a.test/"]),
        ("http://user:pw@a.test:8080/x", ["http://user:pw@a.test:8080/x"]),
        ("http://münchen.test/ä", ["http://münchen.test/ä"]),
        ("http://a.test\nhttp://b.test", ["http://a.test", "http://b.test"]),
        ("http://a.test/?u=http://b.test", ["http://a.test/?u=http://b.test"]),
        ("nothttp://a.test", []),
        ("http:// alone, www. too", []),
        ("xwww.a.test", []),
        ("svn+http://a.test", ["http://a.test"]),
    ],
)
def test_what_is_a_link(text: str, expected: list[str]) -> None:
    assert links(text) == expected


def test_place_and_limit() -> None:
    found = list(find_links("http://a.test " * 50, 7))
    assert len(found) == 7
    assert {link.place for link in found} == {LinkPlace.TEXT}
    assert not any(link.hidden or link.text for link in found)


def test_an_endless_link_is_cut() -> None:
    assert len(links("http://" + "a" * 10_000)[0]) == 4000


@given(st.text(st.sampled_from("htps:/w.a)( \n"), max_size=80))
def test_any_text(text: str) -> None:
    for href in links(text):
        assert href in text
