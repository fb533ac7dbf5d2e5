"""The little of CSS that decides whether a text can be seen."""

import re
from dataclasses import dataclass
from typing import Final

from .model import HiddenBy

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_LENGTH: Final = re.compile(r"\s*(-?\d{0,9}(?:\.\d{1,9})?)\s*([a-z%]*)")
_HEX: Final = re.compile(r"#([0-9a-f]{3,8})\b")
_RGB: Final = re.compile(
    r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,8})(%?))?"
)
_SIMPLE: Final = re.compile(r"([a-z][a-z0-9]*)?([.#][\w-]+)?", re.IGNORECASE)
_BRACE: Final = re.compile(r"[{}]")

MAX_SHEET: Final = 65_536  # characters of one document's style elements that are read
MAX_RULES: Final = 500
TRANSPARENT: Final = -1
UNKNOWN: Final = -2  # an image, or a colour that cannot be read: nothing is concluded from it
_OFF_SCREEN: Final = -500  # pixels; further out than any layout needs
_CLOSE: Final = 12  # greatest difference per channel that still looks like one colour
_TINY: Final = {"": 1.0, "px": 1.0, "pt": 1.0, "em": 0.1, "rem": 0.1, "%": 10.0}
_COLORS: Final = (
    "black=000000 white=ffffff red=ff0000 green=008000 blue=0000ff yellow=ffff00 gray=808080 "
    "grey=808080 silver=c0c0c0 maroon=800000 navy=000080 teal=008080 purple=800080 olive=808000 "
    "lime=00ff00 aqua=00ffff cyan=00ffff orange=ffa500 fuchsia=ff00ff magenta=ff00ff "
    "whitesmoke=f5f5f5 snow=fffafa ivory=fffff0 ghostwhite=f8f8ff floralwhite=fffaf0 "
    "aliceblue=f0f8ff mintcream=f5fffa azure=f0ffff honeydew=f0fff0 seashell=fff5ee linen=faf0e6 "
    "beige=f5f5dc lightyellow=ffffe0 lightgray=d3d3d3 lightgrey=d3d3d3 gainsboro=dcdcdc "
    "darkgray=a9a9a9 darkblue=00008b"
)
_NAMES: Final = {"transparent": TRANSPARENT} | {
    name: int(value, 16) for name, value in (item.split("=") for item in _COLORS.split())
}


@dataclass(frozen=True, slots=True)
class Style:
    """What a set of declarations says about visibility; None where it says nothing.

    `blocks` hides everything inside for good; the others can be taken back by an element inside.
    """

    blocks: HiddenBy | None = None
    shown: bool = False
    invisible: bool | None = None
    tiny: bool | None = None
    color: int | None = None
    background: int | None = None
    urls: tuple[str, ...] = ()

    def over(self, other: "Style") -> "Style":
        """Return this style laid over a weaker one."""
        return Style(
            self.blocks if self.blocks or self.shown else other.blocks,
            self.shown or other.shown,
            other.invisible if self.invisible is None else self.invisible,
            other.tiny if self.tiny is None else self.tiny,
            other.color if self.color is None else self.color,
            other.background if self.background is None else self.background,
            self.urls + other.urls,
        )


NOTHING: Final = Style()
_DECLARATION: Final = re.compile(
    r";\s*+(background(?:-color)?|color|display|font(?:-size)?|left|max-(?:height|width)|height|opacity|overflow|"
    r"position|text-indent|top|visibility|width)\s*+:\s*+([^;]*+)"
)
_URL: Final = re.compile(r"url\(\s{0,9}[\"']?([^\"')]{1,2000})", re.IGNORECASE)
_BLOCKING: Final = frozenset({"display", "opacity", "overflow", "text-indent", "position"})


def parse_declarations(text: str) -> Style:
    """Read a style attribute or a rule's block."""
    if "/*" in text:
        text = _COMMENT.sub("", text)
    found = dict(_DECLARATION.findall(";" + text.lower()))
    if not found:
        return NOTHING
    color, background = found.get("color"), found.get("background-color") or found.get("background")
    size = found.get("font-size") or ("0" if found.get("font", "")[:2] == "0/" else None)
    return Style(
        None if _BLOCKING.isdisjoint(found) else _blocks(found),
        found.get("display", "none")[:4] != "none",
        _invisible(found.get("visibility")),
        None if size is None else _tiny(size),
        None if color is None else parse_color(color),
        None if background is None else parse_color(background),
        tuple(_URL.findall(text)) if background and "url(" in background else (),
    )


def _blocks(found: dict[str, str]) -> HiddenBy | None:
    if found.get("display", "")[:4] == "none":
        return HiddenBy.DISPLAY
    opacity = _number(found.get("opacity"))
    if opacity is not None and opacity[0] < 0.05:
        return HiddenBy.OPACITY
    if found.get("overflow", "")[:6] == "hidden" and any(
        _at_most(found.get(name), 1) for name in ("height", "max-height", "width", "max-width")
    ):
        return HiddenBy.ZERO_SIZE
    if _at_most(found.get("text-indent"), _OFF_SCREEN):
        return HiddenBy.OFF_SCREEN
    if found.get("position", "")[:8] in ("absolute", "fixed") and any(
        _at_most(found.get(name), _OFF_SCREEN) for name in ("left", "top")
    ):
        return HiddenBy.OFF_SCREEN
    return None


def _invisible(value: str | None) -> bool | None:
    if value is None:
        return None
    return value.startswith(("hidden", "collapse"))


def _number(value: str | None) -> tuple[float, str] | None:
    found = _LENGTH.match(value) if value else None
    try:
        return (float(found[1]), found[2]) if found else None
    except ValueError:
        return None


def _at_most(value: str | None, limit: float) -> bool:
    number = _number(value)
    return number is not None and number[0] <= limit and number[1] in ("", "px", "pt", "em", "%")


def _tiny(value: str | None) -> bool | None:
    number = _number(value)
    return None if number is None else number[0] <= _TINY.get(number[1], -1.0)


def parse_color(value: str) -> int:
    """Return a colour as 0xRRGGBB, TRANSPARENT, or UNKNOWN."""
    value = value.strip().lower()
    if "url(" in value or "gradient" in value:
        return UNKNOWN
    if found := _HEX.search(value):
        return _hex(found[1])
    if found := _RGB.search(value):
        if found[4] is not None and (_number(found[4]) or (1.0, ""))[0] == 0:
            return TRANSPARENT
        return (
            min(int(found[1]), 255) << 16 | min(int(found[2]), 255) << 8 | min(int(found[3]), 255)
        )
    word = value.split(None, 1)[0].rstrip("!;,") if value else ""
    if len(word) == 6 and word not in _NAMES:
        return _hex(word)  # `bgcolor=ffffff`, without the mark
    return _NAMES.get(word, UNKNOWN)


def _hex(digits: str) -> int:
    try:
        if len(digits) in (3, 4):
            red, green, blue = (int(digit * 2, 16) for digit in digits[:3])
            return red << 16 | green << 8 | blue
        return int(digits[:6], 16) if len(digits) >= 6 else UNKNOWN
    except ValueError:
        return UNKNOWN


def same_color(one: int, other: int) -> bool:
    """Say whether a text in one colour on the other cannot be seen."""
    if one == TRANSPARENT:
        return True
    if one < 0 or other < 0 or abs(one - other) > _CLOSE * 0x010101:
        return False
    return all(abs((one >> shift & 255) - (other >> shift & 255)) <= _CLOSE for shift in (16, 8, 0))


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rules of a document whose selector is a tag, a class, an id, or a tag with one of these."""

    rules: dict[str, Style]

    def find(self, tag: str, classes: str, identity: str) -> Style:
        """Return what the rules say of an element."""
        rules = self.rules
        style = rules.get(tag, NOTHING)
        for name in classes.split() if classes else ():
            for key in (f".{name}", f"{tag}.{name}"):
                if key in rules:
                    style = rules[key].over(style)
        if identity:
            for key in (f"#{identity}", f"{tag}#{identity}"):
                if key in rules:
                    style = rules[key].over(style)
        return style


_ONLY_SHOWN: Final = Style(shown=True)
EMPTY_SHEET: Final = Sheet({})


def parse_sheet(text: str) -> Sheet:
    """Read style elements; rules inside an at-rule count for some screens only and are left out."""
    rules: dict[str, Style] = {}
    for selectors, block in _blocks_of(_COMMENT.sub("", text[:MAX_SHEET])):
        names = [
            name
            for item in selectors.split(",")
            if (name := item.strip()) and _SIMPLE.fullmatch(name)
        ]
        style = parse_declarations(block) if names else NOTHING
        if style in (NOTHING, _ONLY_SHOWN):
            continue
        for name in names[: MAX_RULES - len(rules)]:
            rules[name] = style.over(rules[name]) if name in rules else style
    return Sheet(rules)


def _blocks_of(text: str) -> list[tuple[str, str]]:
    """Cut at braces; returns prelude and block of each rule at the top level."""
    found: list[tuple[str, str]] = []
    depth, start, prelude = 0, 0, ""
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            if depth == 0:
                prelude, start = text[start : brace.start()].strip(), brace.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                if not prelude.startswith("@"):
                    found.append((prelude.lstrip("-<!> \n"), text[start : brace.start()]))
                start = brace.end()
        else:
            start = brace.end()
    return found
