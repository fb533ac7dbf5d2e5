"""From what is met in a document (elements, text, comments) to what it shows and hides."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from mailweir_mail.defects import DefectKind
from mailweir_mail.limits import ParseLimits

from .model import Hidden, HiddenBy, HtmlView, Image, Link, LinkPlace
from .style import (
    NOTHING,
    TRANSPARENT,
    UNKNOWN,
    Sheet,
    Style,
    parse_color,
    parse_declarations,
    same_color,
)

Attributes = Mapping[str, str | None]

BLOCK_MARK: Final = "\x1e"  # a record separator, which no honest text has; it becomes a line break
_BLOCKS: Final = (
    "address article aside blockquote body br center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main menu nav ol option p pre section select "
    "summary table tbody tfoot thead title tr ul"
)
MARKS: Final = dict.fromkeys(_BLOCKS.split(), BLOCK_MARK) | {"td": " ", "th": " "}
SILENT: Final = frozenset(
    {"script", "style", "head", "template", "noembed", "noframes", "title", "xml"}
)
_TARGETS: Final = {
    "area": ("href", LinkPlace.AREA),
    "audio": ("src", LinkPlace.OBJECT),
    "button": ("formaction", LinkPlace.FORM),
    "embed": ("src", LinkPlace.OBJECT),
    "form": ("action", LinkPlace.FORM),
    "frame": ("src", LinkPlace.FRAME),
    "iframe": ("src", LinkPlace.FRAME),
    "img": ("src", LinkPlace.IMAGE),
    "input": ("src", LinkPlace.IMAGE),
    "link": ("href", LinkPlace.RESOURCE),
    "object": ("data", LinkPlace.OBJECT),
    "script": ("src", LinkPlace.OBJECT),
    "source": ("src", LinkPlace.OBJECT),
    "video": ("src", LinkPlace.OBJECT),
}
_META: Final = frozenset({*_TARGETS, "base", "meta"})
_PRESENTATIONAL: Final = frozenset({"bgcolor", "background", "hidden", "color", "text"})
_STYLING: Final = _PRESENTATIONAL | {"style"}
_SELECTING: Final = _STYLING | {"class", "id"}
_REFRESH: Final = re.compile(r"url\s{0,9}=\s{0,9}[\"']?([^\"'\s]{1,2000})", re.IGNORECASE)
_PIXELS: Final = re.compile(r"\s{0,9}(\d{1,5})\s{0,9}(?:px)?\s{0,9}\Z")
_MAX_COMMENTS: Final = 200
_BLACK: Final = 0x000000
_WHITE: Final = 0xFFFFFF


class State:
    """What holds for the text at one place; replaced, never changed, where an element says otherwise."""

    __slots__ = ("background", "blocks", "color", "hidden", "invisible", "shown", "silent", "tiny")

    def __init__(self) -> None:
        """Begin with black on white, shown."""
        self.blocks: HiddenBy | None = None
        self.silent = False
        self.invisible = False
        self.tiny = False
        self.color = _BLACK
        self.background = _WHITE
        self.hidden: HiddenBy | None = None
        self.shown = True

    def silenced(self) -> "State":
        """Return the state inside an element whose text is no text."""
        inside = State()
        inside.silent, inside.shown = True, False
        return inside

    def inside(self, style: Style) -> "State":
        """Return the state inside an element of that style."""
        state = State()
        state.silent = self.silent
        state.blocks = self.blocks or style.blocks
        state.invisible = self.invisible if style.invisible is None else style.invisible
        state.tiny = self.tiny if style.tiny is None else style.tiny
        state.color = self.color if style.color is None else style.color
        shows_through = style.background is None or style.background == TRANSPARENT
        state.background = self.background if shows_through else style.background or 0
        state.hidden = state.blocks or state._soft()
        state.shown = state.hidden is None and not state.silent
        return state

    def _soft(self) -> HiddenBy | None:
        if self.invisible:
            return HiddenBy.VISIBILITY
        if self.tiny:
            return HiddenBy.FONT_SIZE
        return HiddenBy.COLOR if same_color(self.color, self.background) else None


class Collector:
    """Takes what is met in document order and makes the view of it.

    A walker keeps the state of each open element: it calls `enter` for an element whose tag or attributes
    matter (`matters`), `text` and `comment`, and `leave_anchor` at the end of an `a`.
    """

    def __init__(self, limits: ParseLimits, sheet: Sheet) -> None:
        """Take the limits and the rules of the document's style elements."""
        self.out: list[str] = []
        self.elements: list[str] = []
        self._most = limits.links
        self._sheet = sheet
        self._relevant = _SELECTING if sheet.rules else _STYLING
        self._styled_tags = frozenset(key for key in sheet.rules if key[0] not in ".#")
        self.matters = SILENT | self._styled_tags | {"a"}
        """Tags that `enter` must be told of also without attributes."""
        self._hidden: list[tuple[HiddenBy, list[str]]] = []
        self._links: list[Link | None] = []
        self._anchors: list[tuple[int, int, str, bool]] = []
        self._images: list[Image] = []
        self._comments: list[str] = []
        self._styles: dict[str, Style] = {}
        self._laid: dict[tuple[object, ...], tuple[Style, Style, Style]] = {}
        self._seen: dict[tuple[object, ...], tuple[tuple[str, ...], State]] = {}
        self._states: dict[tuple[int, int], tuple[State, Style, State]] = {}
        self._title: list[str] | None = None
        self._in_title = False
        self._base = ""
        self._full = False

    def enter(self, tag: str, attributes: Attributes, state: State) -> State:
        """Take an element's attributes; returns the state inside it."""
        if attributes:
            if not self._relevant.isdisjoint(attributes) or tag in self._styled_tags:
                state = self._styled(tag, attributes, state)
            if tag in _META:
                self._take(tag, attributes, state)
        elif tag in self._styled_tags:
            state = self._styled(tag, attributes, state)
        if tag == "a":
            self._begin_anchor((attributes.get("href") or "").strip(), state)
        elif tag in SILENT:
            self._in_title = tag == "title" and self._title is None
            self._title = [] if self._in_title else self._title
            return state.silenced()
        return state

    def text(self, text: str, state: State) -> None:
        """Add characters; where they are shown a walker may put them into `out` itself."""
        if state.silent:
            if self._in_title and self._title is not None:
                self._title.append(text)
                self._in_title = False
        elif state.hidden is None:
            self.out.append(text)
        elif not text.isspace():
            self._hide(state.hidden, text)

    def _hide(self, by: HiddenBy, text: str) -> None:
        if self._hidden and self._hidden[-1][0] is by:
            self._hidden[-1][1].append(text)
        elif len(self._hidden) < self._most:
            self._hidden.append((by, [text]))

    def comment(self, text: str) -> None:
        """Add a comment."""
        if len(self._comments) < _MAX_COMMENTS:
            self._comments.append(text)

    def view(self, *, tree: bool, defects: tuple[DefectKind, ...] = ()) -> HtmlView:
        """Return the view; anchors that are open still are ended."""
        while self._anchors:
            self.leave_anchor()
        if self._full:
            defects = (*defects, DefectKind.LINKS_LIMIT)
        return HtmlView(
            text=_lines("".join(self.out)),
            title=_lines("".join(self._title or ())),
            hidden=tuple(Hidden(by, _lines(" ".join(texts))) for by, texts in self._hidden),
            links=tuple(link for link in self._links if link is not None),
            images=tuple(self._images),
            comments=tuple(self._comments),
            base=self._base,
            elements=dict(Counter(self.elements)),
            tree=tree,
            defects=defects,
        )

    # -- style --------------------------------------------------------------------------------------------

    def _styled(self, tag: str, attributes: Attributes, state: State) -> State:
        """Return the state inside an element; like elements in like places share one."""
        get = attributes.get
        key = (
            state, tag, get("style"), get("bgcolor"), get("background"), get("color"), get("text"),
            "hidden" in attributes, *((get("class"), get("id")) if self._sheet.rules else ()),
        )  # fmt: skip
        known = self._seen.get(key)
        if known is None:
            style = self._style(tag, attributes)
            known = self._seen[key] = (style.urls, self._inside(state, style))
        for url in known[0]:
            self._link(url, LinkPlace.STYLE, state)
        return known[1]

    def _inside(self, state: State, style: Style) -> State:
        if style is NOTHING:
            return state
        key = (id(state), id(style))
        found = self._states.get(key)
        if found is None:
            # Both are kept with the answer, or their ids could come again.
            found = self._states[key] = (state, style, state.inside(style))
        return found[2]

    def _style(self, tag: str, attributes: Attributes) -> Style:
        """Return what sheet, attributes and style attribute say together, the last one strongest."""
        style = NOTHING
        if self._sheet.rules:
            style = self._sheet.find(tag, attributes.get("class") or "", attributes.get("id") or "")
        if not _PRESENTATIONAL.isdisjoint(attributes):
            style = self._presented(tag, attributes, style)
        inline = attributes.get("style")
        if not inline:
            return style
        own = self._styles.get(inline)
        if own is None:
            own = self._styles[inline] = parse_declarations(inline)
        return own if style is NOTHING else self._over(own, style)

    def _over(self, own: Style, style: Style) -> Style:
        """Lay one style over another; the same two give the same one, so that states are shared, too."""
        key = (id(own), id(style))
        found = self._laid.get(key)
        if found is None:
            # All are kept with the answer, or their ids could come again.
            found = self._laid[key] = (own, style, own.over(style))
        return found[2]

    def _presented(self, tag: str, attributes: Attributes, style: Style) -> Style:
        """Lay the attributes of HTML 3 over a style, the same ones over the same style once."""
        get = attributes.get
        color = get("color") if tag == "font" else get("text") if tag == "body" else None
        key = (color, get("bgcolor"), get("background"), "hidden" in attributes, id(style))
        found = self._laid.get(key)
        if found is None:
            made = _presentational(tag, attributes, style)
            found = self._laid[key] = (style, style, made)
        return found[2]

    # -- links --------------------------------------------------------------------------------------------

    def _take(self, tag: str, attributes: Attributes, state: State) -> None:
        if tag == "base":
            self._base = self._base or (attributes.get("href") or "").strip()
        elif tag == "meta":
            if (attributes.get("http-equiv") or "").lower() == "refresh":
                found = _REFRESH.search(attributes.get("content") or "")
                self._link(found[1] if found else "", LinkPlace.REFRESH, state)
        else:
            name, place = _TARGETS[tag]
            href = (attributes.get(name) or "").strip()
            if tag == "img":
                self._image(href, attributes, state)
            self._link(href, place, state, attributes.get("alt") or "")

    def _image(self, src: str, attributes: Attributes, state: State) -> None:
        if len(self._images) < self._most:
            width, height = _pixels(attributes.get("width")), _pixels(attributes.get("height"))
            alt = attributes.get("alt") or ""
            self._images.append(Image(src, alt, width, height, hidden=state.hidden is not None))

    def _link(self, href: str, place: LinkPlace, state: State, text: str = "") -> None:
        if href and self._has_room():
            self._links.append(Link(href, text, place, hidden=state.hidden is not None))

    def _has_room(self) -> bool:
        self._full = self._full or len(self._links) >= self._most
        return not self._full

    def _begin_anchor(self, href: str, state: State) -> None:
        """Keep the link's place; its text is known at the end."""
        index = len(self._links) if href and self._has_room() else -1
        self._anchors.append((index, len(self.out), href, state.hidden is not None))
        if index >= 0:
            self._links.append(None)

    def leave_anchor(self) -> None:
        """End the innermost anchor."""
        index, start, href, hidden = self._anchors.pop()
        if index >= 0:
            text = _lines("".join(self.out[start:])).replace("\n", " ")
            self._links[index] = Link(href, text, LinkPlace.ANCHOR, hidden)


def _presentational(tag: str, attributes: Attributes, style: Style) -> Style:
    """Lay the attributes of HTML 3 over a style."""
    if "hidden" in attributes:
        style = Style(blocks=HiddenBy.ATTRIBUTE).over(style)
    color = attributes.get({"font": "color", "body": "text"}.get(tag, ""))
    ground = attributes.get("bgcolor")
    image = attributes.get("background")
    if color or ground or image:
        style = Style(
            color=parse_color(color) if color else None,
            background=UNKNOWN if image else parse_color(ground) if ground else None,
            urls=(image.strip(),) if image else (),
        ).over(style)
    return style


def _pixels(value: str | None) -> int | None:
    found = _PIXELS.match(value) if value else None
    return int(found[1]) if found else None


def _lines(text: str) -> str:
    """One line per block, no empty ones, single spaces."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split(BLOCK_MARK))))
