"""Read a document tag by tag, without a tree: for those that a tree would be too costly for.

The tokens are those of the WHATWG standard (§13.2.5), near enough; nesting is what the tags say, with the
innermost fitting element closed and the rest ignored. Time is linear: every pattern is possessive, every look
back bounded.
"""

import re
from html import unescape
from typing import Final

from mailweir_mail.limits import ParseLimits

from .collect import MARKS, Collector, State
from .style import MAX_SHEET, parse_sheet

_TOKEN: Final = re.compile(
    r"<!--(?P<comment>(?:>|->)|.*?(?:--!?>|\Z))"
    r"|<(?P<slash>/?)(?P<tag>[A-Za-z][^\s/>]*+)(?P<attributes>(?:[^>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+|[\"'=])*+)>?"
    r"|<[!?/][^>]*+>?",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    r"([^\s/>=\"'][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)))?+"
)
_VOID: Final = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "keygen",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
# Elements in which tags mean nothing, and what ends each.
_RAW: Final = {
    tag: re.compile(rf"</{tag}(?=[\s/>])", re.IGNORECASE)
    for tag in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
_SELF_ENDING: Final = frozenset({"p", "li", "td", "th", "tr", "option", "dt", "dd"})
_STYLE: Final = re.compile(r"<style[^>]*+>(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)
_MAX_DEPTH: Final = 500
_LOOK_BACK: Final = 30  # open elements that an end tag is compared with
_MOST_ATTRIBUTES: Final = 60  # of one tag that are read
_MOST_KEPT: Final = 1000  # of the tags' attributes that are kept for the next that are alike


def is_crowded(html: str) -> bool:
    """Say whether a tag has so many attributes that comparing each with all others would take long."""
    at = html.find("<")
    while at >= 0:
        found = _TOKEN.match(html, at)
        end = found.end() if found else at + 1
        if found and found["tag"]:
            attributes = found["attributes"]
            if (
                len(attributes) > _MOST_ATTRIBUTES
                and len(_ATTRIBUTE.findall(attributes)) > _MOST_ATTRIBUTES
            ):
                return True
            tag = found["tag"].lower()
            if tag in _RAW and not found["slash"]:
                raw_end = _RAW[tag].search(html, end)
                if raw_end is None:
                    return False  # what follows is text to the end
                end = raw_end.start()
        at = html.find("<", end)
    return False


def feed(html: str, limits: ParseLimits) -> tuple[Collector, bool]:
    """Tell a collector what the document holds; the second value says whether all was read."""
    sheets = "\n".join(found[1] for found in _STYLE.finditer(html, 0, MAX_SHEET))
    reader = _Reader(Collector(limits, parse_sheet(sheets)), html)
    complete = reader.run(limits.html_tokens)
    return reader.collector, complete


class _Reader:
    def __init__(self, collector: Collector, html: str) -> None:
        self.collector = collector
        self._html = html
        self._state = State()
        self._open: list[tuple[str, State]] = []
        self._no_end: set[str] = set()
        self._attributes: dict[str, dict[str, str | None]] = {}
        """As read; a table's cells have the same ones again and again."""

    def run(self, most: int) -> bool:
        """Read at most so many tags; says whether that was all."""
        at, html = 0, self._html
        start = html.find("<")
        while start >= 0:
            found = _TOKEN.match(html, start)
            if found is None:  # a lone `<` is text
                start = html.find("<", start + 1)
                continue
            if start > at:
                self._text(html[at:start])
            at = self._token(found)
            start = html.find("<", at)
            most -= 1
            if most <= 0:
                return start < 0
        self._text(html[at:])
        return True

    def _text(self, text: str) -> None:
        self.collector.text(unescape(text) if "&" in text else text, self._state)

    def _token(self, found: re.Match[str]) -> int:
        tag = found["tag"]
        if tag is None:
            if found["comment"] is not None:
                self.collector.comment(found["comment"].removesuffix(">").rstrip("-!"))
            return found.end()
        tag = tag.lower()
        if found["slash"]:
            self._end(tag)
            return found.end()
        written = found["attributes"]
        attributes = self._attributes.get(written)
        if attributes is None:
            attributes = _attributes(written)
            if len(self._attributes) < _MOST_KEPT:
                self._attributes[written] = attributes
        self._begin(tag, attributes)
        return self._raw(tag, found.end()) if tag in _RAW else found.end()

    def _begin(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "a":
            self._end("a")  # there are no anchors inside anchors
        elif tag in _SELF_ENDING and self._open and self._open[-1][0] == tag:
            self._pop()
        self.collector.elements.append(tag)
        self._mark(tag)
        inside = self._state
        if attributes or tag in self.collector.matters:
            inside = self.collector.enter(tag, attributes, self._state)
        if tag not in _VOID and len(self._open) < _MAX_DEPTH:
            self._open.append((tag, self._state))
            self._state = inside
        elif tag == "a":
            self.collector.leave_anchor()

    def _mark(self, tag: str) -> None:
        mark = MARKS.get(tag)
        if mark is not None:
            self.collector.out.append(mark)

    def _pop(self) -> None:
        tag, self._state = self._open.pop()
        if tag == "a":
            self.collector.leave_anchor()
        else:
            self._mark(tag)

    def _end(self, tag: str) -> None:
        if not self._open:
            return
        if self._open[-1][0] == tag:
            self._pop()
            return
        recent = [name for name, _ in self._open[-_LOOK_BACK:]]
        if tag in recent:
            for _ in range(recent[::-1].index(tag) + 1):
                self._pop()

    def _raw(self, tag: str, start: int) -> int:
        """Take what stands up to the end tag as text, since tags mean nothing in there."""
        end = -1
        if tag not in self._no_end:
            end_tag = _RAW[tag].search(self._html, start)
            if end_tag is None:
                self._no_end.add(tag)  # looked for once, not again for each start tag
            else:
                end = end_tag.start()
        stop = len(self._html) if end < 0 else end
        if tag in ("title", "textarea"):
            self._text(self._html[start:stop])
        if self._open and self._open[-1][0] == tag:
            self._pop()
        if end < 0:
            return stop
        close = self._html.find(">", end)
        return len(self._html) if close < 0 else close + 1


def _attributes(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    if not text or text.isspace():
        return found
    for match in _ATTRIBUTE.finditer(text):
        if len(found) >= _MOST_ATTRIBUTES:
            break
        # At most one of the three groups for a value took part: then it is the last, also where it is empty.
        last = match.lastindex or 1
        value = match[last] if last > 1 else None
        found.setdefault(match[1].lower(), unescape(value) if value and "&" in value else value)
    return found
