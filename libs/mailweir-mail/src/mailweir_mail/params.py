"""Content-Type and Content-Disposition: a value and parameters, continued and encoded ones too (RFC 2231)."""

import re
from dataclasses import dataclass
from typing import Final

from . import charset
from .words import decode_text_words

_TYPE: Final = re.compile(r"\s*([^\s;/=\"(]+)\s*(?:/\s*([^\s;=\"(]*))?")
_COMMENT: Final = re.compile(r"\((?:[^()\\]|\\.)*\)?", re.DOTALL)
_BEFORE_PARAMS: Final = re.compile(r"[^;=\"]*")
_NAME: Final = re.compile(r"[;\s]*([^\s=;\"]+)\s*(=?)\s*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.DOTALL)
# A bare value runs to the semicolon, since file names with spaces come unquoted, unless a `name=` follows.
_BARE: Final = re.compile(r"[^;\s\"]*(?:[ \t]+(?![^\s=;\"]+[ \t]*=)[^;\s\"]+)*")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_EXTENDED: Final = re.compile(r"([^*]+)\*(?:(\d{1,9})(\*?))?")
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Value:
    """A structured value: `text/plain; charset=utf-8` is value `text/plain`, with one parameter.

    `value` and parameter names are lower case, parameter values decoded (RFC 2231, RFC 2047). Of a parameter
    that is given twice the first counts; `duplicates` names those whose values differ.
    """

    value: str = ""
    params: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """Return a parameter by its lower-case name."""
        for key, value in self.params:
            if key == name:
                return value
        return None

    @property
    def main(self) -> str:
        """Return what is before the slash."""
        return self.value.partition("/")[0]

    @property
    def sub(self) -> str:
        """Return what is after the slash, or the empty string."""
        return self.value.partition("/")[2]


def parse_value(text: str, most: int, *, words: bool = True) -> Value:
    """Parse an unfolded value with at most `most` parameters; never raises. Nothing readable gives `""`.

    `words` says whether encoded words in parameters are decoded: in a file name a client does, against
    RFC 2047 §5, but a boundary is compared as it stands.
    """
    if "(" in text:
        head = _BEFORE_PARAMS.match(text)
        end = head.end() if head else 0
        text = _COMMENT.sub("", text[:end]) + text[end:]
    found = _TYPE.match(text)
    if found is None or "=" in text[found.end() : found.end() + 1]:
        return _with_params("", text, 0, most, words=words)
    main, sub = found[1].lower(), found[2]
    value = f"{main}/{sub.lower()}" if sub else main
    if len(text) == found.end():
        return Value(value)
    return _with_params(value, text, found.end(), most, words=words)


def _with_params(value: str, text: str, start: int, most: int, *, words: bool) -> Value:
    plain: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    duplicates: list[str] = []
    for name, item in _pairs(text, start, most):
        found = _EXTENDED.fullmatch(name) if "*" in name else None
        if found is not None:
            index, encoded = int(found[2] or 0), found[2] is None or found[3] == "*"
            extended.setdefault(found[1], {}).setdefault(index, (item, encoded))
        elif name not in plain:
            plain[name] = decode_text_words(item).text if words else item
        elif plain[name] != item:
            duplicates.append(name)
    for name, pieces in extended.items():
        # The extended form is the better one where both are given (RFC 6266 §4.3 says so for HTTP).
        plain[name] = _join(pieces)
    return Value(value, tuple(plain.items()), tuple(duplicates))


def _pairs(text: str, start: int, most: int) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = start
    while at < len(text) and len(pairs) < most:
        at = _skip_comment(text, at)
        found = _NAME.match(text, at)
        if found is None:
            at += 1
            continue
        at = found.end()
        if not found[2]:
            continue
        if text.startswith('"', at):
            quoted = _QUOTED.match(text, at)
            item = _ESCAPE.sub(r"\1", quoted[1]) if quoted else ""
            at = quoted.end() if quoted else len(text)
        else:
            bare = _BARE.match(text, at)
            item = bare[0] if bare else ""
            at += len(item)
            item = (
                item.partition("(")[0].rstrip() if "(" in item and found[1] != "filename" else item
            )
        pairs.append((found[1].lower(), item))
    return pairs


def _skip_comment(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n;":
        at += 1
    if text.startswith("(", at):
        found = _COMMENT.match(text, at)
        return found.end() if found else at + 1
    return at


def _join(pieces: dict[int, tuple[str, bool]]) -> str:
    """Join continuations; the first encoded piece names the charset for all (RFC 2231 §4.1)."""
    label, data = "", b""
    for number, index in enumerate(sorted(pieces)):
        item, encoded = pieces[index]
        if encoded and number == 0 and item.count("'") >= 2:
            label, _, item = item.partition("'")
            item = item.partition("'")[2]
        elif encoded and label and item.lower().startswith(f"{label.lower()}'"):
            item = item[len(label) + 1 :].removeprefix(
                "'"
            )  # some writers name the charset in each piece
        octets = item.encode("utf-8", "replace")
        data += _PERCENT.sub(lambda m: bytes((int(m[1], 16),)), octets) if encoded else octets
    text = charset.decode(data, label or None).text
    return decode_text_words(text).text
