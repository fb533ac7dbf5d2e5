"""RFC 2047 encoded words as mail has them: split inside a character, padded wrongly, not encoded at all.

Linear in the length: each search goes forward only, and what is found once is not sought again.
"""

import binascii
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from . import charset
from .defects import DefectKind

_FOLD: Final = re.compile(r"[ \t]*\r?\n[ \t]*")
_MAX_LABEL: Final = 64  # of "charset*language"; longer is no charset
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")


class Words(NamedTuple):
    """A decoded value and what was wrong with it."""

    text: str
    defects: tuple[DefectKind, ...] = ()


@dataclass(slots=True)
class _Word:
    start: int
    end: int
    label: str
    data: bytes


def decode_words(value: bytes) -> Words:
    """Decode an unstructured value (the octets after the colon): unfold, 8-bit text, encoded words."""
    plain = undecoded(value)
    if "=?" not in plain.text:
        return plain
    words = decode_text_words(plain.text)
    return Words(words.text, (*plain.defects, *words.defects)) if plain.defects else words


def undecoded(value: bytes) -> Words:
    """Return a value unfolded, as characters, encoded words left alone: what a structure is parsed from."""
    value = value.strip(b" \t\r\n")
    if b"\n" in value:
        value = b" ".join([line.strip(b" \t\r") for line in value.split(b"\n")])
    if value.isascii():
        return Words(value.decode("ascii"))
    return Words(*decode_8bit(value))


def decode_8bit(value: bytes) -> tuple[str, tuple[DefectKind, ...]]:
    """Decode what is not encoded: UTF-8 (RFC 6532) or, against the rules, something else."""
    found = charset.decode(value)
    return found.text, ((DefectKind.HEADER_8BIT,) if found.defects else ())


def decode_text_words(text: str) -> Words:
    """Decode the encoded words of text that is characters already (a display name, a file name)."""
    if "=?" not in text:
        return Words(text)
    words, broken = _find(text)
    out: list[str] = []
    defects: list[DefectKind] = [DefectKind.ENCODED_WORD] if broken else []
    at, index = 0, 0
    while index < len(words):
        first, data, last = words[index], words[index].data, words[index]
        between = text[at : first.start]
        # White space between two encoded words is not shown (RFC 2047 §6.2).
        if between and not (at and between.isspace()):
            out.append(between)
        # A character may be split over words (against §5, but common), so like ones are joined first.
        while index + 1 < len(words) and _joined(text, last, words[index + 1]):
            index += 1
            last = words[index]
            data += last.data
        found = charset.decode(data, first.label)
        if found.defects:
            defects.append(DefectKind.ENCODED_WORD)
        out.append(found.text)
        at = last.end
        index += 1
    out.append(text[at:])
    # An encoded line break would be a new line where the text is shown: it is shown as a space.
    return Words(_FOLD.sub(" ", "".join(out)).replace("\r", " "), tuple(dict.fromkeys(defects)))


def _joined(text: str, word: _Word, other: _Word) -> bool:
    between = text[word.end : other.start]
    return word.label == other.label and (not between or between.isspace())


def _find(text: str) -> tuple[list[_Word], bool]:
    """Find the words; the second value says whether one was begun and not ended."""
    words: list[_Word] = []
    broken = False
    start, close = text.find("=?"), -1
    while start >= 0:
        head = _head(text, start)
        if head is None:
            start = text.find("=?", start + 2)
            broken = True
            continue
        label, encoding, begin = head
        if close < begin:
            close = text.find("?=", begin)
        if close < 0:
            return words, True
        again = text.rfind("=?", begin, close)
        if again >= 0 and _head(text, again) is not None:
            start, broken = again, True  # the word before it has no end
            continue
        words.append(_Word(start, close + 2, label, _octets(text[begin:close], encoding, label)))
        start = text.find("=?", close + 2)
    return words, broken


def _head(text: str, start: int) -> tuple[str, str, int] | None:
    """Read `=?charset*language?encoding?`; returns label, encoding and where the encoded text begins."""
    mark = text.find("?", start + 2, start + 2 + _MAX_LABEL)
    if mark < 0 or text[mark + 2 : mark + 3] != "?" or text[mark + 1] not in "bBqQ":
        return None
    label = text[start + 2 : mark].partition("*")[0]
    if not label or " " in label:
        return None
    return label.lower(), text[mark + 1].lower(), mark + 3


def _octets(encoded: str, encoding: str, label: str) -> bytes:
    data = _unencoded(encoded, label)
    if encoding == "q":
        return binascii.a2b_qp(data.replace(b"_", b" "), header=False)
    letters = _NOT_BASE64.sub(b"", data)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _unencoded(encoded: str, label: str) -> bytes:
    """Return an encoded text's octets; characters that are not encoded go into the word's charset."""
    if not encoded.isascii() and (codec := charset.find_codec(label)):
        try:
            return encoded.encode(codec)
        except (UnicodeEncodeError, ValueError):
            return encoded.encode("utf-8", "replace")
    return encoded.encode("utf-8", "replace")
