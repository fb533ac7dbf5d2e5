"""The MIME parts as SpamAssassin's rules see them."""

import binascii
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from mailweir_mail import Message, Part

from . import charset
from .content_type import ContentType, disposition_name, parse_content_type
from .headertext import decode_value
from .html import Html, render
from .text import MAX_LINE

_LONG_LINE: Final = re.compile(rb"[^\n]{%d}" % MAX_LINE)
_BLANK_LINES: Final = re.compile(rb"(?:\A|(?<=\n))(?:[ \t\r\f\v]*+\n){21,}+")
_KEPT_BLANK: Final = 20  # of more blank lines in a row, the first one and the last ones
_BLANKS: Final = b" \t\r\f\v"
_MANY_LINES: Final = b"\n" * 21
_TRAILING: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\n)")
_HTML_NAMES: Final = (".htm", ".html", ".shtm", ".shtml")


class Node:
    """One part: its type by SpamAssassin's reading, its octets, and what it shows."""

    def __init__(self, part: Part) -> None:
        """Take the parsed part; nothing is decoded yet."""
        self.part = part

    @cached_property
    def headers(self) -> dict[str, list[bytes]]:
        """Return the raw values by name in lower case, line ends as LF."""
        found: dict[str, list[bytes]] = {}
        for field in self.part.headers:
            found.setdefault(field.name.lower(), []).append(field.value.replace(b"\r\n", b"\n"))
        return found

    def header(self, name: str) -> bytes:
        """Return the decoded value of the last field of that name (lower case); empty where there is none."""
        values = self.headers.get(name)
        return decode_value(values[-1], name) if values else b""

    @cached_property
    def declared(self) -> ContentType:
        """Return what the Content-Type says."""
        return parse_content_type(self.header("content-type"))

    @cached_property
    def type(self) -> str:
        """Return the type in force."""
        declared = self.declared
        if declared.missing and self.part.type.startswith("message/"):
            return self.part.type  # the default within a digest
        if declared.type.startswith("multipart/") and not self.part.children:
            return declared.type if declared.boundary is not None else "text/plain"
        return declared.type

    @cached_property
    def name(self) -> str:
        """Return the file name."""
        return disposition_name(self.header("content-disposition")) or self.declared.name

    @property
    def is_leaf(self) -> bool:
        """Say whether this part has none below it."""
        return not self.part.children

    @cached_property
    def effective_type(self) -> str:
        """Return the type, which for a part that is named like a page is HTML."""
        return "text/html" if self.name.lower().endswith(_HTML_NAMES) else self.type

    @cached_property
    def encoding(self) -> str:
        """Return the transfer encoding as written, lower case."""
        return self.header("content-transfer-encoding").decode("utf-8", "replace").lower()

    @cached_property
    def raw(self) -> bytes:
        """Return the octets as sent, line ends as LF; lines of a multipart's parts are cut at MAX_LINE."""
        data = self.part.raw_body.replace(b"\r\n", b"\n")
        # Both patterns are tried at every octet; few messages have what they look for.
        if _MANY_LINES in data.translate(None, _BLANKS):
            data = _BLANK_LINES.sub(_fewer, data)
        if self.part.number and any(len(line) >= MAX_LINE for line in data.split(b"\n")):
            return _LONG_LINE.sub(rb"\g<0>\n", data)
        return data

    @cached_property
    def content(self) -> bytes:
        """Return the octets decoded; of text with lines ended by LF."""
        if self.encoding not in ("base64", "quoted-printable"):
            return self.raw
        if self.encoding == "quoted-printable":
            raw = self.raw
            if b" \n" in raw or b"\t\n" in raw:
                raw = _TRAILING.sub(b"", raw)
            return binascii.a2b_qp(raw).replace(b"\r\n", b"\n")
        data = self.part.content
        return data.replace(b"\r\n", b"\n") if self.type.startswith(("text/", "message/")) else data

    @cached_property
    def text(self) -> str:
        """Return the characters of the content."""
        return charset.decode(self.content, self.declared.charset or "us-ascii")

    @cached_property
    def html(self) -> Html | None:
        """Return what an HTML part shows; None for others and for an empty one."""
        if self.effective_type != "text/html" or not self.content:
            return None
        return render(self.text, len(self.content))

    @property
    def is_rendered(self) -> bool:
        """Say whether `body` rules see this part."""
        return self.effective_type in ("text/plain", "text/html")


def _fewer(found: re.Match[bytes]) -> bytes:
    lines = found[0].split(b"\n")[:-1]
    return b"\n".join((lines[0], *lines[1 - _KEPT_BLANK :])) + b"\n"


def nodes(message: Message) -> Iterator[Node]:
    """Go through all parts in order, multiparts and embedded messages included."""
    return map(Node, message.parts())
