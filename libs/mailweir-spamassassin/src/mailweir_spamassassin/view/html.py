"""What an HTML part says, shows and hides, in the terms of SpamAssassin's HTML tests."""

import re
from dataclasses import dataclass, field
from typing import Final

from .elements import BREAKS, ELEMENTS, TRICKS
from .reference import resolve
from .style import TEXT_STYLE_TAGS, Look, Looks
from .tokens import Attributes, Kind, events

MAX_URI: Final = 8192
MAX_HTML: Final = 1_048_576
"""Characters of one part that are rendered."""
_MOST_URIS: Final = 10_240
_SELF_CLOSED: Final = re.compile(r"<(\w+)\s*+/>")
_NAMESPACE: Final = re.compile(r"(?:o|st\d):[\w-]+/?")
_BLANKS: Final = re.compile(r"[ \t\n\r\f\v]+")
_QUOTES: Final = re.compile("[\u201c\u201d]")
_MISPLACED: Final = re.compile(r"\w{1,8}/(href|src)")
_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_FACE: Final = re.compile(
    r"\s*[\"'.]?[a-z ][a-z -]*[a-z]\d?[\"']?(?:,\s*[\"']?[a-z][a-z -]*[a-z]\d?[\"']?)*;?\Z",
    re.IGNORECASE,
)
_MAX_FACE: Final = 200  # characters of a font name that are judged
_LENGTH: Final = re.compile(r"(\d{1,9})(%)?\Z")
_REFRESH: Final = re.compile(r"\burl\s*=\s*", re.IGNORECASE)
_BASE: Final = re.compile(r"(?:https?|ftp):/{0,2}", re.IGNORECASE)
_BASE_FILE: Final = re.compile(
    r"\A([a-z]+:/{0,2}[^/]+/.*?)[^/.]+\.[^/.]{2,4}\Z", re.IGNORECASE | re.DOTALL
)
_OPAQUE: Final = re.compile(r"(?:data|mailto|file|cid|tel):", re.IGNORECASE)
_SOURCES: Final = frozenset({"img", "frame", "iframe", "embed", "script", "bgsound"})
_SHOWN, _SPACE, _HIDDEN = 0, 1, 2


@dataclass(slots=True)
class Target:
    """What leads to one address: the kinds of elements, and the texts of its anchors."""

    types: set[str] = field(default_factory=set)
    anchors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Html:
    """The facts of one part. `numbers` and `texts` have SpamAssassin's names of them."""

    rendered: str = ""
    visible: str = ""
    invisible: str = ""
    inside: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    uri_truncated: bool = False


def render(text: str, octets: int) -> Html:
    """Render a document; `octets` is its length before it was decoded."""
    return _Renderer(text[:MAX_HTML]).run(octets)


class _Renderer:
    def __init__(self, text: str) -> None:
        self.found = Html(numbers={"html": 1, "length": len(text), "image_area": 0})
        self._source = text
        self._looks = Looks()
        self._out: list[str] = []
        self._marks: list[int] = []
        self._base = ""
        self._anchor: Target | None = None
        self._elements = self._elements_seen = self._tags = self._tags_seen = 0
        self._closed_extra = self._obfuscation = 0
        self._judged: dict[int, bool] = {}
        self._kept: list[Look] = []
        for name in ("anchor", "comment", "script", "title"):
            self.found.texts[name] = []

    def run(self, octets: int) -> Html:
        text = self._source.replace("&nbsp;", " ")
        text = _QUOTES.sub('"', _SELF_CLOSED.sub(r"<\1>", text))
        for kind, value, attributes in events(text):
            if kind is Kind.TEXT:
                self._text(value)
            elif kind is Kind.START:
                self._tag(value, attributes, 1)
            elif kind is Kind.END:
                self._tag(value, attributes, -1)
            elif kind is Kind.COMMENT:
                self.found.texts["comment"].append(value)
            else:
                self._elements += 1
                self._tags += 1
                self.found.inside["!doctype"] = 0
        for tag in ("style", "script"):
            while self.found.inside.get(tag, 0) > 0:
                self._tag(tag, {}, -1)
        return self._finish(octets)

    def _finish(self, octets: int) -> Html:
        found, numbers = self.found, self.found.numbers
        found.rendered = "".join(self._out)
        pairs = list(zip(self._out, self._marks, strict=True))
        found.visible = "".join(text for text, mark in pairs if mark != _HIDDEN)
        found.invisible = "".join(text for text, mark in pairs if mark == _HIDDEN)
        numbers["min_size"], numbers["max_size"] = self._looks.min_size, self._looks.max_size
        if self._tags:
            numbers["closed_extra_ratio"] = self._closed_extra / self._tags
            if self._elements:
                numbers["bad_tag_ratio"] = (self._tags - self._elements) / self._tags
            if self._obfuscation:
                numbers["obfuscation_ratio"] = self._obfuscation / self._tags
        if self._elements_seen and self._tags_seen:
            numbers["non_element_ratio"] = (self._tags_seen - self._elements_seen) / self._tags_seen
        numbers["html_length"] = len(found.rendered)
        numbers["non_space_len"] = len("".join(found.rendered.split()))
        if octets:
            numbers["ratio"] = (octets - len(found.rendered)) / octets
        return found

    # -- tags ---------------------------------------------------------------------------------------------

    def _tag(self, tag: str, attributes: Attributes, step: int) -> None:
        inside = self.found.inside
        known = tag in ELEMENTS
        namespaced = not known and ":" in tag and _NAMESPACE.fullmatch(tag) is not None
        new = tag not in inside
        self._elements += known or namespaced
        self._elements_seen += new and (known or namespaced)
        self._tags += 1
        self._tags_seen += new
        depth = inside.get(tag, 0) + step
        if depth < 0:
            depth = 0
            self._closed_extra += 1
        inside[tag] = depth
        if known or tag in TRICKS:
            self._element(tag, attributes, step)

    def _element(self, tag: str, attributes: Attributes, step: int) -> None:
        if tag in TEXT_STYLE_TAGS:
            if step > 0:
                self._looks.start(tag, attributes)
            else:
                self._looks.end(tag)
        mark = BREAKS.get(tag)
        if mark is not None:
            self._space(mark)
        if step > 0:
            self._targets(tag, attributes)
            self._tests(tag, attributes)

    def _tests(self, tag: str, attributes: Attributes) -> None:
        numbers = self.found.numbers
        if tag == "font" and "face" in attributes:
            if not _FACE.match(attributes["face"][:_MAX_FACE]):
                numbers["font_face_bad"] = 1
        elif tag == "img":
            self._image(attributes)
        elif tag == "form" and "mailto:" in attributes.get("action", "").lower():
            numbers["form_action_mailto"] = 1
        elif tag in ("object", "embed"):
            numbers["embeds"] = 1
        elif tag == "a":
            self._anchor = self._target(self._canonical(attributes.get("href", "")))
            self._anchor.anchors.append("")
            self.found.texts["anchor"].append("")
        elif tag == "title":
            self.found.texts["title"].append("")

    def _image(self, attributes: Attributes) -> None:
        if self.found.inside.get("a", 0) > 0:
            self._anchored("<img>\n")
        if "width" in attributes and "height" in attributes:
            width = _pixels(attributes["width"], 8)
            self.found.numbers["image_area"] += width * _pixels(attributes["height"], 6)

    # -- addresses ----------------------------------------------------------------------------------------

    def _targets(self, tag: str, attributes: Attributes) -> None:
        if not attributes:
            return
        if tag in ("a", "area", "link"):
            attributes = _replaced(attributes)
            if "href" in attributes:
                attributes["href"] = attributes["href"].replace("\ufeff", "")
                self._push(tag, attributes["href"])
            self._push(tag, attributes.get("data-saferedirecturl"))
        elif tag in _SOURCES:
            self._push(tag, _replaced(attributes).get("src"))
        elif tag in ("body", "table", "tr", "td"):
            self._push(tag, attributes.get("background"))
        elif tag == "form":
            self._push(tag, attributes.get("action"))
        elif tag == "base" and attributes.get("href"):
            self._set_base(self._canonical(attributes["href"]))
        elif tag == "meta" and "refresh" in attributes.get("http-equiv", "").lower():
            pieces = _REFRESH.split(attributes.get("content", "")[:MAX_URI])
            if len(pieces) > 1:
                self._push(tag, pieces[-1].partition(";")[0].rstrip())

    def _set_base(self, uri: str) -> None:
        self._push("base", uri)
        if _BASE.match(uri):
            uri = _BASE_FILE.sub(r"\1", uri)
            self._base = uri if uri.endswith("/") else uri + "/"

    def _canonical(self, uri: str) -> str:
        uri = uri.strip(" \t\n\r\f\v\xa0")
        if len(uri) > MAX_URI:
            self.found.uri_truncated = True
        return uri[:MAX_URI]

    def _push(self, tag: str, uri: str | None) -> None:
        uri = self._canonical(uri) if uri else ""
        if uri and not _OPAQUE.match(uri):
            uri = resolve(self._base, uri)
        if uri:
            self._target(uri).types.add(tag)

    def _target(self, uri: str) -> Target:
        targets = self.found.targets
        if len(targets) >= _MOST_URIS:
            return targets.get(uri) or Target()
        return targets.setdefault(uri, Target())

    # -- text ---------------------------------------------------------------------------------------------

    def _anchored(self, text: str) -> None:
        if self._anchor is not None and self._anchor.anchors:
            self._anchor.anchors[-1] += text
            self.found.texts["anchor"][-1] += text

    def _text(self, text: str) -> None:
        inside = self.found.inside
        if inside.get("script", 0) > 0:
            self.found.texts["script"].append(text)
            return
        if inside.get("style", 0) > 0:
            return
        if inside.get("a", 0) > 0:
            self._anchored(text)
        if inside.get("title", 0) > 0 and self.found.texts["title"]:
            self.found.texts["title"][-1] += text
        hidden = bool(text.strip(" \t\n\r\f\v")) and self._is_hidden()
        out, marks = self._out, self._marks
        if out and out[-1] and text and _is_letter(text[0]) and _is_letter(out[-1][-1]):
            self._obfuscation += 1
        text = _BLANKS.sub(" ", text)
        if out and not hidden and marks[-1] == _SPACE and text.startswith(" "):
            text = text[1:]
        out.append(text)
        marks.append(_HIDDEN if hidden else _SHOWN)

    def _space(self, mark: str) -> None:
        if self._out and self._marks[-1] == _SHOWN:
            self._out[-1] = self._out[-1].removesuffix(" ")
        self._out.append(mark)
        self._marks.append(_SPACE)

    def _is_hidden(self) -> bool:
        look = self._looks.current
        known = self._judged.get(id(look))
        if known is None:
            self._kept.append(look)  # as long as it is kept no other has its id
            known = self._judged[id(look)] = self._judge(look)
        return known

    def _judge(self, look: Look) -> bool:
        if look.has_low_contrast:
            self.found.numbers["font_low_contrast"] = 1
            return True
        if look.is_invalid:
            self.found.numbers["font_invalid_color"] = 1
            return True
        return look.is_hidden


def _is_letter(char: str) -> bool:
    return not char.isspace() and char not in _PUNCTUATION


def _replaced(attributes: Attributes) -> Attributes:
    """Take an attribute such as `alt/href` for what follows the slash."""
    found = dict(attributes)
    for name, value in attributes.items():
        misplaced = _MISPLACED.search(name) if "/" in name else None
        if misplaced:
            del found[name]
            found[misplaced[1]] = value
    return found


def _pixels(text: str, per_cent: int) -> int:
    found = _LENGTH.match(text)
    size = int(found[1]) * (per_cent if found[2] else 1) if found else 0
    return size if size > 0 else 200
