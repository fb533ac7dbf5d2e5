"""Which parts a client shows and which it offers as attachments.

The rule is RFC 8621 §4.1.4, with one difference: an image, sound or film is an attachment even where it is
shown with the text, since a reader can save it and a filter wants to look at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .part import Part


@dataclass(frozen=True, slots=True)
class Bodies:
    """The parts shown by a client without HTML, by one with HTML, and the files."""

    text: tuple[Part, ...]
    html: tuple[Part, ...]
    attachments: tuple[Part, ...]


@dataclass(slots=True)
class _Lists:
    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """One multipart on the way down: its parts, and which of the two bodies they may still join."""

    parts: Sequence[Part]
    kind: str
    in_text: bool
    in_html: bool
    in_alternative: bool
    texts: int
    htmls: int
    index: int = 0


def select(root: Part) -> Bodies:
    """Sort the parts of one message; embedded messages stay whole. Nothing recurses."""
    lists = _Lists()
    stack = [
        _Level([root], "mixed", in_text=True, in_html=True, in_alternative=False, texts=0, htmls=0)
    ]
    while stack:
        level = stack[-1]
        if level.index == len(level.parts):
            stack.pop()
            if level.kind == "alternative" and level.in_text and level.in_html:
                _balance(lists, level.texts, level.htmls)
            continue
        part = level.parts[level.index]
        level.index += 1
        if part.is_multipart:
            stack.append(_below(level, part, lists))
        else:
            _place(part, level, lists)
    return Bodies(tuple(lists.text), tuple(lists.html), tuple(lists.attachments))


def _below(level: _Level, part: Part, lists: _Lists) -> _Level:
    kind = part.type.partition("/")[2]
    return _Level(
        part.children,
        kind,
        in_text=level.in_text,
        in_html=level.in_html,
        in_alternative=level.in_alternative or kind == "alternative",
        texts=len(lists.text),
        htmls=len(lists.html),
    )


def _place(part: Part, level: _Level, lists: _Lists) -> None:
    if not _is_inline(part, level.index - 1, level.kind):
        lists.attachments.append(part)
        return
    if level.kind == "alternative":
        _alternative(part, lists)
        return
    # Inside an alternative, text of one kind ends the other kind's body; but never both, or the text would be
    # shown nowhere.
    if level.in_alternative and level.in_text and part.type == "text/plain":
        level.in_html = False
    if level.in_alternative and level.in_html and part.type == "text/html":
        level.in_text = False
    if level.in_text:
        lists.text.append(part)
    if level.in_html:
        lists.html.append(part)
    if _is_media(part.type):
        lists.attachments.append(part)


def _alternative(part: Part, lists: _Lists) -> None:
    if part.type == "text/plain":
        lists.text.append(part)
    elif part.type == "text/html":
        lists.html.append(part)
    else:
        lists.attachments.append(part)


def _balance(lists: _Lists, texts: int, htmls: int) -> None:
    """Where an alternative has only one kind, it is the body for clients of both kinds."""
    new_text, new_html = lists.text[texts:], lists.html[htmls:]
    if new_html and not new_text:
        lists.text.extend(new_html)
    elif new_text and not new_html:
        lists.html.extend(new_text)


def _is_inline(part: Part, index: int, kind: str) -> bool:
    if part.disposition is not None and part.disposition.value == "attachment":
        return False
    if part.type not in ("text/plain", "text/html") and not _is_media(part.type):
        return False
    return index == 0 or (kind != "related" and (_is_media(part.type) or not part.filename))


def _is_media(type_: str) -> bool:
    return type_.startswith(("image/", "audio/", "video/"))
