"""Facts of the HTML that is shown: which tags, attributes and styles, how much of what."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from mailweir_mail import HtmlView, Message, Part

from .shapes import bucket, share_bucket

SOURCE: Final = 8_000
"""Characters of HTML source whose attributes are looked at."""

_ATTRIBUTE: Final = re.compile(r"[\s\"'](?!https?)([a-zA-Z][a-zA-Z-]{1,20})=")
_PROPERTY: Final = re.compile(r"[;\"'{\s]([a-z][a-z-]{3,24}):")
_MARKS: Final = (
    ("doctype", "<!doctype"), ("word", "urn:schemas-microsoft-com"), ("media", "@media"),
    ("important", "!important"),
    ("conditional", "<!--[if"), ("generator", 'name="generator"'), ("viewport", "viewport"),
    ("preheader", "preheader"), ("charset", "charset="), ("uppercase", "<HTML"), ("body", "<body"),
)  # fmt: skip


def html_facts(message: Message) -> Iterator[str]:
    """Yield facts of the HTML that is shown, if any."""
    shown = [p for p in message.html_parts if p.html is not None]
    yield f"html {bool(shown)}"
    if not shown:
        return
    part = shown[0]
    if part.html is not None:
        yield from _view_facts(part, part.html)


def _view_facts(part: Part, view: HtmlView) -> Iterator[str]:
    for tag, count in islice(view.elements.items(), 80):
        yield f"tag {tag[:16]}"
        yield f"tags {tag[:16]} {bucket(count)}"
    source = part.text[:SOURCE]
    yield f"source {bucket(len(part.text))}"
    yield f"shown {bucket(len(view.text))}"
    yield f"shown share {share_bucket(len(view.text) / max(1, len(part.text)))}"
    yield f"hidden {bucket(len(view.hidden_text))}"
    for piece in view.hidden[:20]:
        yield f"hidden by {piece.by}"
    yield f"comments {bucket(len(view.comments))}"
    yield f"title {bool(view.title)}"
    yield f"pictures {bucket(len(view.images))}"
    pictures = view.images[:50]
    mute = sum(not picture.alt for picture in pictures) / max(1, len(pictures))
    yield f"pictures without text {share_bucket(mute)}"
    if any(i.width is not None and i.width <= 1 for i in view.images[:200]):
        yield "tracking picture"
    for name in set(map(str.lower, _ATTRIBUTE.findall(source))):
        yield f"attribute {name}"
    for name in set(_PROPERTY.findall(source)):
        yield f"style {name}"
    low = source.lower()
    for name, mark in _MARKS:
        if mark in (source if name == "uppercase" else low):
            yield f"mark {name}"
