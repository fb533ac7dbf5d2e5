"""Octets to characters: the declared charset where it holds, else UTF-8, else a bounded guess.

Labels are those of the WHATWG encoding standard, as clients know them, plus what mail adds. Nothing is looked
up in Python's codec registry by a name from a message: some codecs decompress, are quadratic (punycode), or
interpret escapes, and each unknown name would stay in the registry's cache for good.
"""

import re
from typing import Final, NamedTuple

from .charset_guess import guess
from .charset_labels import CODECS
from .defects import DefectKind

# "I do not know" is not a charset that is unknown: it is none that is declared.
_UNDECLARED: Final = frozenset(
    {"", "unknown", "unknown-8bit", "x-unknown", "x-user-defined", "binary", "ascii"}
)
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_WIDE: Final = re.compile(
    "[\x80-\ufffc]"
)  # what valid sequences of UTF-8 gave; another charset gives few by chance
_META: Final = re.compile(
    rb"""<meta[^>]{0,300}?charset\s{0,20}=\s{0,20}["']?\s{0,20}([\w.:-]{1,40})""", re.IGNORECASE
)
_META_WINDOW: Final = 2048  # octets; a browser looks at the first 1024


class Decoded(NamedTuple):
    """Text, the codec it was read with, and what was wrong with it."""

    text: str
    codec: str
    defects: tuple[DefectKind, ...] = ()


def find_codec(label: str | None) -> str | None:
    """Return the codec of a charset label, "" where none is declared, None where it is unknown."""
    if not label:
        return ""
    name = label.strip().strip("\"'").lower()
    codec = (
        CODECS.get(name) or CODECS.get(name.replace("_", "-")) or CODECS.get(name.replace(" ", ""))
    )
    if codec:
        return "" if codec == "ascii" else codec
    return "" if name in _UNDECLARED else None


def decode(data: bytes, label: str | None = None) -> Decoded:
    """Return `data` as text; never raises, time linear in the length."""
    codec = find_codec(label)
    for mark, name in _BOMS:
        if data.startswith(mark) and codec != "utf-7":
            return _strict_or_replaced(data[len(mark) :], name)
    if codec:
        return _declared(data, codec)
    found = _undeclared(data)
    if codec is None:
        return Decoded(found.text, found.codec, (DefectKind.CHARSET_UNKNOWN, *found.defects))
    return found


def meta_charset(data: bytes) -> str | None:
    """Return the charset that an HTML document declares for itself, or None."""
    found = _META.search(data, 0, _META_WINDOW)
    name = found[1].decode("ascii") if found else None
    # A document that can be read for its meta element is not in a wide encoding (WHATWG HTML §13.2.3.2).
    return "utf-8" if name and name.lower().startswith(("utf-16", "utf-32", "ucs")) else name


def _declared(data: bytes, codec: str) -> Decoded:
    if data.isascii() and not codec.startswith(("utf-", "iso2022", "hz")):
        return Decoded(data.decode("ascii"), codec)
    try:
        return Decoded(data.decode(codec), codec)
    except (UnicodeDecodeError, ValueError):
        return _misdeclared(data, codec)


def _misdeclared(data: bytes, codec: str) -> Decoded:
    """The declared charset does not fit: UTF-8 if that does, a guess if the declared one is hopeless."""
    if codec != "utf-8":
        try:
            return Decoded(data.decode(), "utf-8", (DefectKind.CHARSET_GUESSED,))
        except UnicodeDecodeError:
            return _strict_or_replaced(data, codec)
    text = data.decode("utf-8", "replace")
    if len(_WIDE.findall(text)) * 2 >= text.count("\ufffd"):
        return Decoded(text, codec, (DefectKind.CHARSET_BROKEN,))
    found = _strict_or_replaced(data, guess(data))
    return Decoded(found.text, found.codec, (DefectKind.CHARSET_GUESSED, *found.defects))


def _undeclared(data: bytes) -> Decoded:
    if data.isascii():
        if b"\x1b$" in data:
            return _strict_or_replaced(data, guess(data))
        return Decoded(data.decode("ascii"), "ascii")
    try:
        return Decoded(data.decode(), "utf-8")
    except UnicodeDecodeError as error:
        # UTF-8 that was cut inside a character, and not one stray octet at the end.
        cut = error.end >= len(data) and error.reason == "unexpected end of data"
        if cut and (error.end - error.start > 1 or not data[: error.start].isascii()):
            return Decoded(data.decode("utf-8", "replace"), "utf-8", (DefectKind.CHARSET_BROKEN,))
    found = _strict_or_replaced(data, guess(data))
    return Decoded(found.text, found.codec, (DefectKind.CHARSET_GUESSED, *found.defects))


def _strict_or_replaced(data: bytes, codec: str) -> Decoded:
    try:
        return Decoded(data.decode(codec), codec)
    except (UnicodeDecodeError, ValueError):
        return Decoded(_replaced(data, codec), codec, (DefectKind.CHARSET_BROKEN,))


def _replaced(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, ValueError):  # a stateful codec may give up altogether
        return data.decode("cp1252", "replace")
