"""HTML as the rules see it: text with what is hidden kept apart, links, and the numbers of HTML tests."""

import pytest

from mailweir_spamassassin.view.entities import unescape
from mailweir_spamassassin.view.html import render
from mailweir_spamassassin.view.reference import resolve
from mailweir_spamassassin.view.tokens import Kind, events


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "\n\none\n\n\n\ntwo\n\n"),
        ("one<br>two", "one\ntwo"),
        ("<td>a</td><td>b</td>", " a  b "),
        ("a &amp; b", "a & b"),
        ("a&nbsp;b", "a b"),
        ("\u201cquoted\u201d", '"quoted"'),
        ("a <!-- hidden --> b", "a  b"),
        ("<style>p { }</style>x<script>y()</script>", "x"),
        ("1 < 2", "1 < 2"),
        ("<a href='x", ""),
        ("a<br/>b", "a\nb"),
    ],
)
def test_text(html: str, text: str) -> None:
    assert render(html, len(html)).rendered == text


@pytest.mark.parametrize(
    "style",
    [
        '<font color="#ffffff">',
        "<font color=white>",
        '<font size="1">',
        '<span style="color: rgb(255, 255, 255)">',
        '<span style="display: none">',
        '<div style="visibility:hidden">',
        '<span style="background: url(x.png) black">',
        '<p style="color:#fffffe !important">',
    ],
)
def test_hidden_text_is_kept_apart(style: str) -> None:
    found = render(f"<body>seen {style}unseen", 10)
    assert found.invisible == "unseen"
    assert found.visible.strip() == "seen"
    assert "unseen" in found.rendered


def test_shown_text_is_not_taken_for_hidden() -> None:
    found = render(
        '<font color="red">a</font><td style="background-color:black;color:white">b</td>c', 10
    )
    assert found.invisible == ""


def test_a_style_ends_with_its_element() -> None:
    found = render("<div style='display:none'>a<b>b</b></div>c", 10)
    assert (found.invisible, found.visible.strip()) == ("ab", "c")


def test_a_colour_that_is_none_hides_and_is_told() -> None:
    found = render("<font color='nocolour'>a</font>", 10)
    assert found.invisible == "a"
    assert found.numbers["font_invalid_color"] == 1


def test_numbers() -> None:
    found = render("<html><body><foo><b>x</b></b><img width=10 height=20></body></html>", 70)
    numbers = found.numbers
    assert numbers["image_area"] == 200
    assert numbers["closed_extra_ratio"] == pytest.approx(1 / 9)
    assert numbers["bad_tag_ratio"] == pytest.approx(1 / 9)
    assert found.inside["foo"] == 1
    assert found.inside["body"] == 0
    assert (numbers["max_size"], numbers["min_size"]) == (3, 3)


def test_font_sizes() -> None:
    numbers = render("<font size=+2>a<font size=7>b</font></font><font size=2>c", 10).numbers
    assert (numbers["max_size"], numbers["min_size"]) == (7, 2)


def test_letters_that_touch_across_tags_count_as_obfuscation() -> None:
    assert render("vi<b></b>ag<i></i>ra", 10).numbers["obfuscation_ratio"] == pytest.approx(2 / 4)
    assert "obfuscation_ratio" not in render("vi <b>ag</b> ra", 10).numbers


def test_links_and_what_stands_on_them() -> None:
    found = render(
        '<a href="http://a.example/x">click <img src=http://b.example/i.gif> here</a>', 10
    )
    assert found.targets["http://a.example/x"].types == {"a"}
    assert found.targets["http://a.example/x"].anchors == ["click <img>\n here"]
    assert found.targets["http://b.example/i.gif"].types == {"img"}
    assert found.texts["anchor"] == ["click <img>\n here"]


def test_a_base_holds_for_what_follows() -> None:
    found = render('<base href="http://a.example/d/index.html"><a href="../e">x</a>', 10)
    assert "http://a.example/e" in found.targets


def test_a_refresh_is_a_link() -> None:
    found = render('<meta http-equiv=refresh content="0; url=http://a.example/">', 10)
    assert found.targets["http://a.example/"].types == {"meta"}


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("", "http://a.example/b/../c", "http://a.example/c"),
        ("", "//www.a.example/b", "http://www.a.example/b"),
        ("", "page.html", "page.html"),
        ("http://a.example/d/", "e?f#g", "http://a.example/d/e?f#g"),
        ("http://a.example/d/", "/e", "http://a.example/e"),
        ("http://a.example/d/", "?q", "http://a.example/d/?q"),
        ("http://a.example", "e", "http://a.example/e"),
        ("http://a.example/d/", "http:e", "http://a.example/d/e"),
    ],
)
def test_references(base: str, reference: str, expected: str) -> None:
    assert resolve(base, reference) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("&#65;&#x42;&lt;", "AB<"),
        ("&#149;", "\x95"),
        ("&#55349;&#57308;", "\U0001d7dc"),
        ("&#55349;", "\ufffd"),
        ("&#0; &#9999999999; &nosuch;", "&#0; &#9999999999; &nosuch;"),
    ],
)
def test_references_to_characters(text: str, expected: str) -> None:
    assert unescape(text) == expected


def test_markup_without_end_is_dropped() -> None:
    assert [kind for kind, _, _ in events("a <b title='x")] == [Kind.TEXT, Kind.COMMENT]
    assert [kind for kind, _, _ in events("<!-- a > b")] == [Kind.COMMENT, Kind.TEXT]


def test_tags_mean_nothing_in_a_title() -> None:
    found = list(events("<title>a <b> &amp; c</title>d"))
    assert found[1][:2] == (Kind.TEXT, "a <b> & c")


@pytest.mark.parametrize(
    "html",
    [
        "<" * 200_000,
        "<a " * 100_000,
        "<!--" * 100_000,
        "<div>" * 60_000,
        "<a href='" * 50_000,
        "<style>" * 50_000,
        "&#" * 200_000,
        "<p style='" + "color:red;" * 50_000 + "'>x",
        "<x " + "a=b " * 100_000 + ">",
        " \n" * 300_000,
    ],
    ids=range(10),
)
def test_hostile_documents_take_bounded_time(html: str) -> None:
    found = render(html, len(html))
    assert found.numbers["length"] <= 1_048_576
