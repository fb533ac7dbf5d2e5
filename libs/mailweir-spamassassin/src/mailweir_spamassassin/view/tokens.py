"""HTML to events, with the leniency of the event parser that SpamAssassin uses.

Tags need not be nested; markup that never ends is dropped as a comment would be. Every pattern is
possessive, so time is linear; the number of events is bounded.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from .entities import unescape

MAX_EVENTS: Final = 60_000
"""Events of one document; what follows is taken as one text."""

_START: Final = re.compile(
    r"<([A-Za-z][^\s>]*+)"
    r"((?:\s*+[^\s>][^\s=>]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\s>]*+))?+)*+)\s*+>"
)
_ATTRIBUTE: Final = re.compile(
    r"([^\s>][^\s=>]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]*+)))?+"
)
_END: Final = re.compile(r"</([A-Za-z][^\s>]*+)[^>]*+>")
_COMMENT_END: Final = re.compile(r"--\s*+>")
_MARK: Final = re.compile(r"<(?=[A-Za-z!?/])")
_LITERAL: Final = {
    tag: re.compile(rf"</{tag}\s*+>", re.IGNORECASE)
    for tag in ("script", "style", "xmp", "iframe", "plaintext", "title", "textarea")
}
_DECODED: Final = frozenset({"title", "textarea"})
_MOST_ATTRIBUTES: Final = 100

Attributes = dict[str, str]


class Kind(IntEnum):
    """What an event is."""

    TEXT = 0
    START = 1
    END = 2
    COMMENT = 3
    DECLARATION = 4


Event = tuple[Kind, str, Attributes]
_NONE: Final[Attributes] = {}


def events(html: str) -> Iterator[Event]:
    """Go through the events of a document: text decoded, names in lower case, comments as written."""
    at, start, left = 0, 0, MAX_EVENTS
    no_end: set[str] = set()
    while left > 0:
        found = _MARK.search(html, start)
        if found is None:
            break
        left -= 1
        begin = found.start()
        if begin > at:
            yield _text(html[at:begin])
        event, at = _markup(html, begin, no_end)
        start = max(at, begin + 1)
        if event is None:
            continue
        yield event
        if event[0] is Kind.START and event[1] in _LITERAL and event[1] not in no_end:
            stop = _literal_end(html, event[1], at, no_end)
            if stop > at:
                cut = html[at:stop]
                yield (Kind.TEXT, unescape(cut) if event[1] in _DECODED else cut, _NONE)
            at = start = max(at, stop)
    if at < len(html):
        yield _text(html[at:])


def _text(text: str) -> Event:
    return Kind.TEXT, unescape(text), _NONE


def _literal_end(html: str, tag: str, at: int, no_end: set[str]) -> int:
    found = _LITERAL[tag].search(html, at)
    if found is not None:
        return found.start()
    no_end.add(tag)  # looked for once, not again for each start tag
    return len(html)


def _markup(html: str, begin: int, no_end: set[str]) -> tuple[Event | None, int]:
    """Read what begins with `<` and a letter, `/`, `!` or `?`; returns the event and where it ends."""
    sign = html[begin + 1]
    if sign == "!":
        return _declaration(html, begin, no_end)
    if sign == "?":
        end = html.find(">", begin)
        return None, len(html) if end < 0 else end + 1
    if sign == "/":
        found = _END.match(html, begin)
        if found:
            return (Kind.END, found[1].lower(), _NONE), found.end()
        end = html.find(">", begin)
        return None, len(html) if end < 0 else end + 1
    found = _START.match(html, begin)
    if found is None:
        return (Kind.COMMENT, html[begin:], _NONE), len(html)
    return (Kind.START, found[1].lower(), _attributes(found[2])), found.end()


def _declaration(html: str, begin: int, no_end: set[str]) -> tuple[Event | None, int]:
    if html.startswith("--", begin + 2) and "<!--" not in no_end:
        found = _COMMENT_END.search(html, begin + 4)
        if found:
            return (Kind.COMMENT, html[begin : found.end()], _NONE), found.end()
        no_end.add("<!--")
    end = html.find(">", begin)
    end = len(html) if end < 0 else end + 1
    is_type = html[begin + 2 : begin + 9].lower() == "doctype"
    return (Kind.DECLARATION if is_type else Kind.COMMENT, html[begin:end], _NONE), end


def _attributes(text: str) -> Attributes:
    if not text:
        return _NONE
    found: Attributes = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        if len(found) >= _MOST_ATTRIBUTES:
            break
        value = double or single or bare
        found[name.lower()] = unescape(value) if "&" in value else value
    return found
