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


def select(root: Part) -> Bodies:
    """Sort a message's parts; embedded messages stay whole. The tree's depth bounds the recursion."""
    lists = _Lists()
    _sort([root], "mixed", lists, in_text=True, in_html=True, in_alternative=False)
    return Bodies(tuple(lists.text), tuple(lists.html), tuple(lists.attachments))


def _sort(
    parts: Sequence[Part],
    kind: str,
    lists: _Lists,
    *,
    in_text: bool,
    in_html: bool,
    in_alternative: bool,
) -> None:
    texts, htmls = len(lists.text), len(lists.html)
    for index, part in enumerate(parts):
        if part.is_multipart:
            sub = part.type.partition("/")[2]
            _sort(
                part.children,
                sub,
                lists,
                in_text=in_text,
                in_html=in_html,
                in_alternative=in_alternative or sub == "alternative",
            )
        elif not _is_inline(part, index, kind):
            lists.attachments.append(part)
        elif kind == "alternative":
            _alternative(part, lists)
        else:
            # Inside an alternative, text of one kind ends the other kind's body; but never both, or the
            # text would be shown nowhere.
            in_html = in_html and not (in_alternative and in_text and part.type == "text/plain")
            in_text = in_text and not (in_alternative and in_html and part.type == "text/html")
            if in_text:
                lists.text.append(part)
            if in_html:
                lists.html.append(part)
            if _is_media(part.type):
                lists.attachments.append(part)
    if kind == "alternative" and in_text and in_html:
        _balance(lists, texts, htmls)


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
