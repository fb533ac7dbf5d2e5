"""Which text of an HTML part can be seen: colours, sizes and display, element by element."""

import re
from typing import Final, NamedTuple

from .colors import INVALID, is_close, parse_color, parse_style_rgb
from .tokens import Attributes

_COLOR: Final = re.compile(r"\s*(background-)?color:\s*(.+?)\s*\Z", re.IGNORECASE | re.DOTALL)
_BACKGROUND: Final = re.compile(r"\s*background:\s*(.+?)\s*\Z", re.DOTALL)
_OTHER: Final = re.compile(r"\s*(display|visibility)\s*:\s*(\S.*?)\s*\Z", re.DOTALL)
_IMPORTANT: Final = re.compile(r"\s*!\s*important\Z")
_RELATIVE: Final = re.compile(r"\s*([+-]\d{1,6})")
_ABSOLUTE: Final = re.compile(r"\s*(\d{1,6})")
_LAYER: Final = re.compile(r"[^\s,(\"']*\([^)]*\)|\"[^\"]*\"|'[^']*'|[^\s,]+|,")
_MAX_STYLE: Final = 2048  # characters of one style attribute that are read
_MAX_DEPTH: Final = 1000
DEFAULT_SIZE: Final = 3
TEXT_STYLE_TAGS: Final = frozenset(
    [
        "body",
        "font",
        "table",
        "tr",
        "th",
        "td",
        "big",
        "small",
        "basefont",
        "marquee",
        "span",
        "p",
        "div",
        "a",
    ]
)
_STYLED: Final = frozenset(["table", "td", "tr", "span", "p", "div", "a"])


class Look(NamedTuple):
    """How text looks at one place."""

    tag: str = "default"
    fg: str = "#000000"
    bg: str = "#ffffff"
    size: int = DEFAULT_SIZE
    display: str = ""
    visibility: str = ""

    @property
    def has_low_contrast(self) -> bool:
        """Say whether text and background are nearly one colour."""
        return is_close(self.fg, self.bg)

    @property
    def is_invalid(self) -> bool:
        """Say whether a colour is none."""
        return INVALID in (self.fg, self.bg)

    @property
    def is_hidden(self) -> bool:
        """Say whether size, display or visibility hide the text."""
        return (
            self.size <= 1 or self.display.lower() == "none" or self.visibility.lower() == "hidden"
        )


class Looks:
    """The open elements that style text, and the extremes of the font sizes met."""

    def __init__(self) -> None:
        """Begin with black on white in size 3."""
        self._stack = [Look()]
        self._base = DEFAULT_SIZE
        self._parsed: dict[str, tuple[tuple[str, str], ...]] = {}
        self.max_size = self.min_size = DEFAULT_SIZE

    @property
    def current(self) -> Look:
        """Return how text looks now."""
        return self._stack[-1]

    def start(self, tag: str, attributes: Attributes) -> None:
        """Take a start tag."""
        tag = "td" if tag == "th" else tag
        size = attributes.get("size", "")
        if tag == "basefont":
            found = _ABSOLUTE.match(size)
            if found:
                self._base = int(found[1])
                return
        if tag in ("td", "tr"):
            self._close_cells(tag)
        now = self._stack[-1]
        if tag in ("big", "small"):
            self._push(now._replace(tag=tag, size=now.size + (1 if tag == "big" else -1)))
            return
        self._push(self._look(tag, attributes, now))

    def end(self, tag: str) -> None:
        """Take an end tag."""
        tag = "td" if tag == "th" else tag
        if tag == "body" or not any(look.tag == tag for look in self._stack[-_MAX_DEPTH:]):
            return
        while self._stack.pop().tag != tag:
            pass

    def _push(self, look: Look) -> None:
        if len(self._stack) < _MAX_DEPTH:
            self._stack.append(look)
        else:
            self._stack[-1] = look

    def _close_cells(self, tag: str) -> None:
        if not any(look.tag == tag for look in self._stack):
            return
        closing = ("font", "td") if tag == "td" else ("font", "td", "tr")
        while self._stack[-1].tag in closing:
            self._stack.pop()

    def _look(self, tag: str, attributes: Attributes, now: Look) -> Look:
        look = Look(tag, now.fg, now.bg, now.size, now.display, now.visibility)
        if not attributes:
            return look
        measured = False
        if tag == "body" and "text" in attributes:
            look = look._replace(fg=parse_color(attributes["text"]))
        elif tag in ("font", "basefont"):
            if "color" in attributes:
                look = look._replace(fg=parse_color(attributes["color"]))
            if "size" in attributes:
                look = look._replace(size=self._size(attributes["size"], look.size))
                measured = True
        elif tag in _STYLED and "style" in attributes:
            look = self._styled(attributes["style"], look, now)
        if measured:
            self.max_size = max(self.max_size, look.size)
            self.min_size = min(self.min_size, look.size)
        return look

    def _size(self, text: str, size: int) -> int:
        found = _RELATIVE.match(text)
        if found:
            return self._base + int(found[1])
        found = _ABSOLUTE.match(text)
        return int(found[1]) if found else size

    def _styled(self, style: str, look: Look, parent: Look) -> Look:
        parsed = self._parsed.get(style)
        if parsed is None:
            parsed = self._parsed[style] = _declarations(style[:_MAX_STYLE])
        if not parsed:
            return look
        said = dict(parsed)
        bg = said.get("bg", look.bg)
        if bg == "transparent":
            bg = parent.bg
        fg = said.get("fg", look.fg)
        return Look(
            look.tag,
            bg if fg == "transparent" else fg,
            bg,
            look.size,
            said.get("display", look.display),
            said.get("visibility", look.visibility),
        )


def _declarations(style: str) -> tuple[tuple[str, str], ...]:
    """Return what a style attribute sets, by the names of Look's fields, in order."""
    found: list[tuple[str, str]] = []
    for item in style.split(";"):
        match = _COLOR.match(item)
        if match:
            color = _style_color(match[2].lower())
            if color:
                found.append(("bg" if match[1] else "fg", color))
            continue
        match = _BACKGROUND.match(item)
        if match:
            color = _background(match[1].lower())
            if color:
                found.append(("bg", color))
            continue
        match = _OTHER.match(item)
        if match:
            found.append((match[1], match[2]))
    return tuple(found)


def _style_color(value: str) -> str:
    value = _IMPORTANT.sub("", value)
    if "rgb" in value:
        return parse_style_rgb(value)
    if value in ("inherit", "transparent"):
        return "" if value == "inherit" else value
    return parse_color(value)


def _background(value: str) -> str:
    """Return the first colour of the last layer; empty where it has none."""
    color = ""
    for piece in _LAYER.findall(value):
        if piece == ",":
            color = ""
        elif not color:
            parsed = parse_color(piece)
            color = "" if parsed == INVALID else parsed
    return color
