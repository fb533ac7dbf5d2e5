"""One part of a message: its header, its place in the raw bytes, and what it holds when decoded."""

from collections.abc import Iterator
from typing import Final

from . import charset, filetype, transfer
from ._lazy import Frozen, lazy
from .defects import Defect, DefectKind
from .headers import Headers
from .limits import ParseLimits
from .links import find_links
from .markup import HtmlView, Link, render
from .params import Value, parse_value
from .transfer import Octets

MESSAGE_TYPES: Final = frozenset({"message/rfc822", "message/global", "message/news"})
_HEAD_OCTETS: Final = 65_536
"""Of base64, what holds the octets that most types are told by, twice over for line ends and junk."""
_HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
_set = object.__setattr__


class Part(Frozen):
    """A part of the tree, an octet range of `source` with a header.

    `source` is the raw message, but for parts inside an embedded message that is base64 or quoted-printable,
    where it is that message decoded. `number` is the place in the tree: empty for the root, `1.2` for the
    second child of the first child. `content_type` is as declared, `type` what holds after the defaults of
    RFC 2045 §5.2. The one child of an embedded message is that message's root. `text_limit`
    is this part's share of the octets that are decoded to characters.
    """

    __slots__ = (
        "body_end",
        "body_start",
        "children",
        "content_type",
        "epilogue_start",
        "header_start",
        "headers",
        "limits",
        "number",
        "preamble_end",
        "source",
        "text_limit",
        "type",
    )
    source: bytes
    limits: ParseLimits
    number: str
    headers: Headers
    content_type: Value
    type: str
    header_start: int
    body_start: int
    body_end: int
    preamble_end: int
    epilogue_start: int
    text_limit: int
    children: "tuple[Part, ...]"

    def __init__(self, **fields: object) -> None:
        """Take every slot by name; the tree builder alone makes parts."""
        for name, value in fields.items():
            _set(self, name, value)

    def __repr__(self) -> str:
        """Return place and type."""
        return f"Part({self.number!r}, {self.type}, {self.body_end - self.body_start} octets)"

    @property
    def raw_body(self) -> bytes:
        """Return the body's octets as they were sent, transfer encoding and all."""
        return self.source[self.body_start : self.body_end]

    @property
    def preamble(self) -> bytes:
        """Return what stands before a multipart's first delimiter, which clients do not show."""
        return self.source[self.body_start : self.preamble_end]

    @property
    def epilogue(self) -> bytes:
        """Return what stands after a multipart's closing delimiter, which clients do not show."""
        return self.source[self.epilogue_start : self.body_end]

    @property
    def is_multipart(self) -> bool:
        """Say whether this part is a multipart whose boundary was found."""
        return self.type.startswith("multipart/")

    @property
    def is_message(self) -> bool:
        """Say whether this part is an embedded message that could be read."""
        return bool(self.children) and self.type in MESSAGE_TYPES

    @property
    def is_html(self) -> bool:
        """Say whether the content is HTML."""
        return self.type in _HTML_TYPES

    @property
    def is_text(self) -> bool:
        """Say whether the content is text, HTML included."""
        return self.type.startswith("text/") or self.is_html

    def walk(self) -> "Iterator[Part]":
        """Go through this part and all below it, embedded messages included, in the order they were sent."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            stack.extend(reversed(part.children))

    @lazy
    def encoding(self) -> str:
        """Return the Content-Transfer-Encoding, lower case; empty where there is none."""
        field = self.headers.first("content-transfer-encoding")
        if field is None:
            return ""
        return field.undecoded.partition(";")[0].partition("(")[0].strip(" \t\"'").lower()

    @lazy
    def disposition(self) -> Value | None:
        """Return the Content-Disposition, or None where there is none."""
        field = self.headers.first("content-disposition")
        return None if field is None else parse_value(field.undecoded, self.limits.parameters)

    @lazy
    def content_id(self) -> str:
        """Return the Content-ID without brackets; empty where there is none."""
        return (self.headers.get("content-id") or "").strip().strip("<>")

    @lazy
    def filename(self) -> str:
        """Return the name as declared, decoded; empty where there is none. It may hold any character."""
        given = self.disposition.get("filename") if self.disposition else None
        return (given or self.content_type.get("name") or "").strip()

    @lazy
    def _decoded(self) -> Octets:
        return transfer.decode(self.raw_body, self.encoding)

    @property
    def content(self) -> bytes:
        """Return the body's octets with the transfer encoding undone; of a part with parts, as sent."""
        return self.raw_body if self.children else self._decoded.data

    @lazy
    def decoded_text(self) -> charset.Decoded:
        """Return a text part's characters, the codec, and what was wrong; empty for other parts."""
        if not self.is_text:
            return charset.Decoded("", "")
        data = self.content[: self.text_limit]
        label = self.content_type.get("charset")
        if self.is_html and not charset.find_codec(label):
            label = charset.meta_charset(data) or label
        return charset.decode(data, label)

    @lazy
    def text(self) -> str:
        """Return a text part's characters with lines ended by LF; HTML as source, not rendered."""
        text = self.decoded_text.text
        return text.replace("\r\n", "\n") if "\r" in text else text

    @lazy
    def html(self) -> HtmlView | None:
        """Return what an HTML part shows, hides and links to; None for other parts."""
        return render(self.text, self.limits) if self.is_html else None

    @lazy
    def links(self) -> tuple[Link, ...]:
        """Return the links of a text part: marked up ones, then those in the text that it shows."""
        if not self.is_text:
            return ()
        marked, shown = ((), self.text) if self.html is None else (self.html.links, self.html.text)
        return (*marked, *find_links(shown, self.limits.links))

    @lazy
    def detected(self) -> str:
        """Return the type that the content's first octets tell, or the empty string where they tell none."""
        if self.children:
            return ""
        return filetype.detect(self._head if self._head_tells else self.content)

    @lazy
    def _head(self) -> bytes:
        """Return the first octets of a long base64 body; empty where decoding it whole costs no more."""
        if self.encoding != "base64" or self.body_end - self.body_start <= 2 * _HEAD_OCTETS:
            return b""
        return transfer.decode_base64(
            self.source[self.body_start : self.body_start + _HEAD_OCTETS]
        ).data

    @property
    def _head_tells(self) -> bool:
        return len(self._head) >= filetype.TELLING and not filetype.needs_whole(self._head)

    @lazy
    def defects(self) -> tuple[Defect, ...]:
        """Return what is wrong with header and content; the tree's own defects are the message's."""
        kinds = () if self.children else self._content_defects()
        own = (Defect(kind, self.number) for kind in dict.fromkeys(kinds))
        return (*self.headers.defects, *own)

    def _content_defects(self) -> list[DefectKind]:
        kinds: list[DefectKind] = list(self._decoded.defects)
        if self.encoding == "quoted-printable" and transfer.has_bad_escape(self.raw_body):
            kinds.append(DefectKind.QUOTED_PRINTABLE)
        if self.is_text:
            kinds.extend(self.decoded_text.defects)
            if "\0" in self.text:
                kinds.append(DefectKind.NUL)
            if len(self.content) > self.text_limit:
                kinds.append(DefectKind.TEXT_LIMIT)
        if self.html is not None:
            kinds.extend(self.html.defects)
        return kinds
