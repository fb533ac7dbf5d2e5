"""The facts of an HTML document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mailweir_mail.defects import DefectKind


class LinkPlace(StrEnum):
    """Where in a text a link stands."""

    TEXT = "text"
    """In running text, not marked up as a link."""
    ANCHOR = "anchor"
    AREA = "area"
    FORM = "form"
    IMAGE = "image"
    FRAME = "frame"
    OBJECT = "object"
    STYLE = "style"
    RESOURCE = "resource"
    """A `link` element: style sheet, prefetch and the like."""
    REFRESH = "refresh"
    """A `meta` element that sends the reader on."""


class HiddenBy(StrEnum):
    """What hides a text from the reader."""

    DISPLAY = "display"
    VISIBILITY = "visibility"
    OPACITY = "opacity"
    FONT_SIZE = "font_size"
    COLOR = "color"
    ZERO_SIZE = "zero_size"
    OFF_SCREEN = "off_screen"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Link:
    """A link: target as written, the text a reader clicks on, where it stands, and whether that is hidden."""

    href: str
    text: str = ""
    place: LinkPlace = LinkPlace.TEXT
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image: source as written, alternative text, and size as declared (None where it is not)."""

    src: str
    alt: str = ""
    width: int | None = None
    height: int | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Hidden:
    """A text that is in the document and not on the screen."""

    by: HiddenBy
    text: str


@dataclass(frozen=True, slots=True)
class HtmlView:
    """What a document shows and what it does not.

    `text` has one line per block and single spaces. `elements` counts start tags by name. `base` is the
    document's own base for relative links. `tree` is False where the document was too large or too knotted to
    build a tree of, and was read tag by tag instead.
    """

    text: str = ""
    title: str = ""
    hidden: tuple[Hidden, ...] = ()
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    comments: tuple[str, ...] = ()
    base: str = ""
    elements: Mapping[str, int] = field(default_factory=dict)
    tree: bool = True
    defects: tuple[DefectKind, ...] = ()

    @property
    def hidden_text(self) -> str:
        """Return all hidden text, one line per piece."""
        return "\n".join(piece.text for piece in self.hidden)
