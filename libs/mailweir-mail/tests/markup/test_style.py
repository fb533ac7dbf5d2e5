"""The little of CSS that decides whether a text can be seen."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import HiddenBy
from mailweir_mail.markup.style import (
    MAX_RULES,
    NOTHING,
    TRANSPARENT,
    UNKNOWN,
    Style,
    parse_color,
    parse_declarations,
    parse_sheet,
    same_color,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#fff", 0xFFFFFF),
        ("#FFFFFF", 0xFFFFFF),
        ("#abc", 0xAABBCC),
        ("#abcd", 0xAABBCC),
        ("#aabbccdd", 0xAABBCC),
        ("ffffff", 0xFFFFFF),
        ("White", 0xFFFFFF),
        ("white !important", 0xFFFFFF),
        ("rgb(1, 2, 3)", 0x010203),
        ("rgb(1 2 3)", 0x010203),
        ("rgba(1,2,3,0.5)", 0x010203),
        ("rgba(1,2,3,0)", TRANSPARENT),
        ("rgb(999,0,0)", 0xFF0000),
        ("transparent", TRANSPARENT),
        ("#fff url(x.png)", UNKNOWN),
        ("linear-gradient(red, blue)", UNKNOWN),
        ("inherit", UNKNOWN),
        ("zzzzzz", UNKNOWN),
        ("", UNKNOWN),
        ("#ggg", UNKNOWN),
    ],
)
def test_colors(text: str, expected: int) -> None:
    assert parse_color(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0xFFFFFF, 0xFFFFFF, True),
        (0xFEFEFE, 0xFFFFFF, True),
        (0xF4F4F4, 0xFFFFFF, True),
        (0xEEEEEE, 0xFFFFFF, False),
        (0x00FFFF, 0x01FF00, False),
        (0x000000, 0xFFFFFF, False),
        (TRANSPARENT, 0xFFFFFF, True),
        (UNKNOWN, 0xFFFFFF, False),
        (0xFFFFFF, UNKNOWN, False),
    ],
)
def test_what_looks_like_one_color(one: int, other: int, *, same: bool) -> None:
    assert same_color(one, other) is same


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("display:none", HiddenBy.DISPLAY),
        ("DISPLAY : None !important", HiddenBy.DISPLAY),
        ("display:/* */none", HiddenBy.DISPLAY),
        ("color:red; display:none", HiddenBy.DISPLAY),
        ("display:block", None),
        ("display:block;display:none", HiddenBy.DISPLAY),
        ("opacity:0", HiddenBy.OPACITY),
        ("opacity:0.01", HiddenBy.OPACITY),
        ("opacity:0.9", None),
        ("max-height:0;overflow:hidden", HiddenBy.ZERO_SIZE),
        ("height:1px;overflow:hidden", HiddenBy.ZERO_SIZE),
        ("width:0;overflow:hidden", HiddenBy.ZERO_SIZE),
        ("max-height:0", None),
        ("height:100px;overflow:hidden", None),
        ("text-indent:-9999px", HiddenBy.OFF_SCREEN),
        ("text-indent:10px", None),
        ("position:absolute;left:-10000px", HiddenBy.OFF_SCREEN),
        ("position:fixed;top:-600px", HiddenBy.OFF_SCREEN),
        ("left:-10000px", None),
        ("position:relative;left:-10000px", None),
        ("nodisplay:none", None),
        ("", None),
        ("display", None),
    ],
)
def test_what_hides_for_good(text: str, blocks: HiddenBy | None) -> None:
    assert parse_declarations(text).blocks is blocks


@pytest.mark.parametrize(
    ("text", "tiny"),
    [
        ("font-size:0", True),
        ("font-size:0px", True),
        ("font-size:1px", True),
        ("font-size:.5px", True),
        ("font-size:1pt", True),
        ("font-size:0.05em", True),
        ("font-size:1%", True),
        ("font:0/0 a", True),
        ("font-size:2px", False),
        ("font-size:1em", False),
        ("font-size:100%", False),
        ("font-size:small", None),
        ("color:red", None),
    ],
)
def test_tiny_fonts(text: str, *, tiny: bool | None) -> None:
    assert parse_declarations(text).tiny is tiny


@pytest.mark.parametrize(
    ("text", "invisible"),
    [
        ("visibility:hidden", True),
        ("visibility:collapse", True),
        ("visibility:visible", False),
        ("color:red", None),
    ],
)
def test_visibility(text: str, *, invisible: bool | None) -> None:
    assert parse_declarations(text).invisible is invisible


def test_colors_and_pictures() -> None:
    style = parse_declarations("color:#fff;background-color:#000")
    assert (style.color, style.background) == (0xFFFFFF, 0x000000)
    picture = parse_declarations("background:url('http://A.test/X.png') no-repeat")
    assert picture.background == UNKNOWN
    assert picture.urls == ("http://A.test/X.png",)


def test_nothing_relevant_is_one_shared_value() -> None:
    assert parse_declarations("margin:0;border:1px") is NOTHING


def test_laying_one_style_over_another() -> None:
    weak = Style(HiddenBy.DISPLAY, invisible=True, tiny=True, color=1, background=2, urls=("a",))
    assert Style().over(weak) == weak
    strong = parse_declarations("display:block;visibility:visible;font-size:14px;color:#000003")
    both = strong.over(weak)
    assert both == Style(None, True, False, False, 3, 2, ("a",))


def test_a_sheet() -> None:
    sheet = parse_sheet(
        """<!-- .a, .b { display: none } p.c { color: white }
        #d { visibility: hidden } /* .e { display:none } */
        @media (max-width: 600px) { .f { display: none } .g { x: y } }
        .h > .i { display: none } td { font-size: 14px } .a { color: red }
        .broken { display: none """
    )
    assert sheet.find("div", "a", "").blocks is HiddenBy.DISPLAY
    assert sheet.find("div", "a", "").color == 0xFF0000
    assert sheet.find("div", "x b y", "").blocks is HiddenBy.DISPLAY
    assert sheet.find("p", "c", "").color == 0xFFFFFF
    assert sheet.find("div", "c", "") is NOTHING
    assert sheet.find("div", "", "d").invisible is True
    assert sheet.find("td", "", "").tiny is False
    for name in ("e", "f", "g", "i", "broken"):
        assert sheet.find("div", name, "") is NOTHING


def test_a_sheet_has_a_limit() -> None:
    sheet = parse_sheet("".join(f".c{number}{{display:none}}" for number in range(MAX_RULES * 2)))
    assert len(sheet.rules) == MAX_RULES


@given(st.text(st.sampled_from("{}@.#a:;display none/*,'\"()url 0px-"), max_size=120))
def test_any_text_is_read(text: str) -> None:
    parse_sheet(text)
    parse_declarations(text)
    parse_color(text)
