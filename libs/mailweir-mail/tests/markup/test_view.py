"""What HTML shows and hides, read through a tree and read tag by tag: both must say the same."""

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_mail import (
    DEFAULT,
    DefectKind,
    HiddenBy,
    HtmlView,
    Image,
    Link,
    LinkPlace,
    ParseLimits,
    render,
)
from mailweir_mail.markup.tokens import feed, is_crowded

WITHOUT_TREE = ParseLimits(html_tags=0)


@pytest.fixture(params=["tree", "tags"])
def limits(request: pytest.FixtureRequest) -> ParseLimits:
    """Run a test with each of the two readers."""
    return DEFAULT if request.param == "tree" else WITHOUT_TREE


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("  \n ", ""),
        ("plain", "plain"),
        ("a <b>bold</b> word", "a bold word"),
        ("V<b></b>i<i>a</i>gra", "Viagra"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<p>one<p>two", "one\ntwo"),
        ("<div>one</div>two<div>three</div>", "one\ntwo\nthree"),
        ("<div><div><p>one</div></div>", "one"),
        ("<ul><li>one<li>two</ul>three", "one\ntwo\nthree"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("  much   \n\n  white\tspace  ", "much white space"),
        ("a&nbsp;&nbsp;b", "a b"),
        ("&lt;b&gt; &amp; &#65;&#x42; &euro;", "<b> & AB €"),
        ("<script>no</script>yes<style>no</style>", "yes"),
        ("<head><title>no</title></head><body>yes", "yes"),
        ("a<!-- no -->b", "ab"),
        ("a<!---->b", "ab"),
        ("<textarea>kept <b></textarea>", "kept <b>"),
        ("a < b", "a < b"),
        ("<p>unclosed <b>tags", "unclosed tags"),
        ("<a href='x'>one</a><a href='y'>two</a>", "onetwo"),
        ("<noscript>shown</noscript>", "shown"),
        ("zero\u200bwidth", "zero\u200bwidth"),
    ],
)
def test_text(html: str, text: str, limits: ParseLimits) -> None:
    assert render(html, limits).text == text


def test_title(limits: ParseLimits) -> None:
    assert render("<title> The\n title </title>x", limits).title == "The title"
    assert render("<svg><title>two</title></svg>", limits).text == ""


@pytest.mark.parametrize(
    ("html", "by"),
    [
        ('<div style="display:none">secret</div>', HiddenBy.DISPLAY),
        ('<div style="display:none"><p>sec<b>ret</b></div>', HiddenBy.DISPLAY),
        ('<p style="visibility:hidden">secret', HiddenBy.VISIBILITY),
        ('<p style="opacity:0">secret', HiddenBy.OPACITY),
        ('<span style="font-size:0">secret</span>', HiddenBy.FONT_SIZE),
        ('<span style="color:#fff">secret</span>', HiddenBy.COLOR),
        ('<font color="#FFFFFF">secret</font>', HiddenBy.COLOR),
        ("<font color=white>secret</font>", HiddenBy.COLOR),
        ('<table bgcolor="#000000"><tr><td>secret</table>', HiddenBy.COLOR),
        ('<body bgcolor="#123456" text="#123456">secret', HiddenBy.COLOR),
        (
            '<div style="background:#222"><span style="color:#222222">secret</span></div>',
            HiddenBy.COLOR,
        ),
        ('<span style="color:transparent">secret</span>', HiddenBy.COLOR),
        ('<div style="max-height:0;overflow:hidden">secret</div>', HiddenBy.ZERO_SIZE),
        ('<div style="position:absolute;left:-9999px">secret</div>', HiddenBy.OFF_SCREEN),
        ("<div hidden>secret</div>", HiddenBy.ATTRIBUTE),
        ("<style>.x{display:none}</style><div class='a x'>secret</div>", HiddenBy.DISPLAY),
        ("<style>#x{color:white}</style><div id=x>secret</div>", HiddenBy.COLOR),
        ("<style>h6{visibility:hidden}</style><h6>secret</h6>", HiddenBy.VISIBILITY),
    ],
)
def test_hidden_text(html: str, by: HiddenBy, limits: ParseLimits) -> None:
    view = render(f"{html}", limits)
    assert view.text == ""
    assert {piece.by for piece in view.hidden} == {by}
    assert view.hidden_text.replace("\n", "").replace(" ", "") == "secret"


@pytest.mark.parametrize(
    "html",
    [
        '<div style="font-size:0"><span style="font-size:14px">shown</span></div>',
        '<div style="visibility:hidden"><p style="visibility:visible">shown</p></div>',
        '<div style="color:#fff"><p style="color:#000">shown</p></div>',
        '<div style="color:#fff;background:#000">shown</div>',
        "<table bgcolor=black><tr><td><font color=white>shown</font></table>",
        '<table background="x.png"><tr><td><font color=white>shown</font></table>',
        '<div style="background:url(x.png);color:white">shown</div>',
        "<style>@media print{.x{display:none}}</style><p class=x>shown",
        "<style>.x{display:none}</style><p class=x style='display:block'>shown",
        '<p style="max-height:0">shown',
        '<p title="display:none">shown',
    ],
)
def test_shown_text(html: str, limits: ParseLimits) -> None:
    view = render(html, limits)
    assert view.text == "shown"
    assert view.hidden == ()


def test_what_comes_after_a_hidden_element_is_shown(limits: ParseLimits) -> None:
    view = render('a<span style="display:none">b</span>c<p hidden>d<p>e', limits)
    assert view.text == "ac\ne"
    assert [(piece.by, piece.text) for piece in view.hidden] == [
        (HiddenBy.DISPLAY, "b"),
        (HiddenBy.ATTRIBUTE, "d"),
    ]


def test_links(limits: ParseLimits) -> None:
    view = render(
        """<base href="http://base.test/"><link rel=stylesheet href="s.css"><a href=" http://a.test/ ">
        click <b>here</b> <img src="i.png" alt="pic"></a><map><area href="m"></map><form action="/f"></form>
        <iframe src="frame"></iframe><body background="bg.png"><td style="background:url(t.png)">
        <meta http-equiv="Refresh" content="0; URL='http://r.test/'"><a>no target</a>
        <object data=o></object>""",
        limits,
    )
    assert view.base == "http://base.test/"
    found = {(link.href, link.text, link.place) for link in view.links}
    assert found >= {
        ("http://a.test/", "click here", LinkPlace.ANCHOR),
        ("i.png", "pic", LinkPlace.IMAGE),
        ("s.css", "", LinkPlace.RESOURCE),
        ("m", "", LinkPlace.AREA),
        ("/f", "", LinkPlace.FORM),
        ("frame", "", LinkPlace.FRAME),
        ("http://r.test/", "", LinkPlace.REFRESH),
        ("o", "", LinkPlace.OBJECT),
        ("bg.png", "", LinkPlace.STYLE),
    }
    assert not any(link.text == "no target" for link in view.links)


def test_links_keep_their_order_and_are_hidden_with_their_text(limits: ParseLimits) -> None:
    view = render(
        '<a href=1>one<a href=2>two</a><p style="display:none"><a href=3>three</a></p>', limits
    )
    assert view.links == (
        Link("1", "one", LinkPlace.ANCHOR),
        Link("2", "two", LinkPlace.ANCHOR),
        Link("3", "", LinkPlace.ANCHOR, hidden=True),
    )


def test_an_anchor_that_is_not_closed(limits: ParseLimits) -> None:
    assert render("<a href=x>the rest", limits).links == (Link("x", "the rest", LinkPlace.ANCHOR),)


def test_images(limits: ParseLimits) -> None:
    view = render(
        '<img src=a alt=A width=1 height="1px"><img width="100%"><p hidden><img src=b>', limits
    )
    assert view.images == (
        Image("a", "A", 1, 1),
        Image("", "", None, None),
        Image("b", hidden=True),
    )


def test_comments_and_elements(limits: ParseLimits) -> None:
    view = render("<p>x<!--[if mso]> secret <![endif]--><p>y<script></script>", limits)
    assert view.comments == ("[if mso]> secret <![endif]",)
    assert view.elements["p"] == 2
    assert view.elements["script"] == 1


def test_links_have_a_limit(limits: ParseLimits) -> None:
    few = ParseLimits(html_tags=limits.html_tags, links=3)
    view = render("<a href=x>y</a><img src=z>" * 10, few)
    assert len(view.links) == 3
    assert len(view.images) == 3
    assert DefectKind.LINKS_LIMIT in view.defects


def test_there_is_a_tree_where_it_is_safe() -> None:
    assert render("<p>x", DEFAULT) == HtmlView("x", elements=render("<p>x", DEFAULT).elements)
    assert render("<p>x", DEFAULT).tree
    view = render("<p>x", WITHOUT_TREE)
    assert not view.tree
    assert view.defects == (DefectKind.HTML_TREE_LIMIT,)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 6001,
        "".join(f"<font color={number}>" for number in range(300)) + "<p>x" * 700,
        "<p " + " ".join(f"a{number}=1" for number in range(15_000)) + ">",
        "<p " + "".join(f'a{number}="<>"' for number in range(9000)) + ">",
        "<script>'<p x=\"</script><p " + " ".join(f"a{number}" for number in range(15_000)) + ">",
    ],
)
def test_what_would_be_too_costly_is_read_tag_by_tag(html: str) -> None:
    assert DefectKind.HTML_TREE_LIMIT in render(html, DEFAULT).defects


def test_a_large_but_simple_document_has_a_tree() -> None:
    html = "<table>" + "<tr><td style='color:red' class='x y z' width=10>text</td></tr>" * 1000
    assert render(html, DEFAULT).tree


def test_tags_are_bounded() -> None:
    view = render("<p>x" * 100, ParseLimits(html_tags=0, html_tokens=10))
    assert view.text.count("x") == 9
    assert view.defects == (DefectKind.HTML_TREE_LIMIT, DefectKind.HTML_LIMIT)


def test_nothing_left_is_no_limit() -> None:
    _, complete = feed("<p>" * 10, ParseLimits(html_tokens=10))
    assert complete


@pytest.mark.parametrize(
    ("html", "crowded"),
    [
        ("<p a b c>", False),
        ("<p " + "a " * 100 + ">", True),
        ("<p " + "a='>' " * 100 + ">", True),
        ("<!-- <p " + "a " * 100 + "> -->", False),
        ("<script><p " + "a " * 100 + "></script>", False),
        ("<script><p " + "a " * 100 + ">", False),
        ("<script></script><p " + "a " * 100 + ">", True),
        ("words " * 1000, False),
    ],
)
def test_crowded_tags(html: str, *, crowded: bool) -> None:
    assert is_crowded(html) is crowded


PIECES = [
    "<p>", "</p>", "<b>", "</b>", "<a href='x'>", "</a>", "<td>", "</table>", "<table>", "<br>", "x", " ",
    "<!--", "-->", "<div hidden>", "</div>", "<span style='color:#fff'>", "</span>", "<script>", "</script>",
    "&amp;", "<", ">", '"', "'", "=", "<p a=", "<style>", "</style>", ".x{display:none}", "<svg>",
    "<template>", "\0",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@settings(max_examples=300, deadline=None)
@given(soup)
def test_any_soup_is_read_both_ways(html: str) -> None:
    for limits in (DEFAULT, WITHOUT_TREE):
        view = render(html, limits)
        assert "\x1e" not in view.text
        assert all(link.href for link in view.links)


words = st.text(st.sampled_from("abc "), min_size=1, max_size=6)
blocks = st.recursive(
    words,
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from(["p", "div", "b", "span", "i"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
).filter(lambda html: "<p>" not in html or html.count("<p>") == 1)


@settings(max_examples=200, deadline=None)
@given(blocks)
def test_both_readers_agree_on_clean_documents(html: str) -> None:
    assert render(html, DEFAULT).text == render(html, WITHOUT_TREE).text
