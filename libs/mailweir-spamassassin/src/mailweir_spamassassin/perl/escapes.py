"""Backslash escapes and POSIX classes, common to patterns and bracket expressions."""

from typing import Final

from mailweir_spamassassin.perl.nodes import (
    ANY,
    DIGIT,
    HORIZONTAL,
    LOWER,
    NOT_NEWLINE,
    SPACE,
    UPPER,
    VERTICAL,
    WORD,
    mask_of,
    span,
)

CLASSES: Final = {
    "d": DIGIT, "D": ANY & ~DIGIT, "w": WORD, "W": ANY & ~WORD, "s": SPACE, "S": ANY & ~SPACE,
    "h": HORIZONTAL, "H": ANY & ~HORIZONTAL, "v": VERTICAL, "V": ANY & ~VERTICAL, "N": NOT_NEWLINE,
}  # fmt: skip
CONTROLS: Final = {"t": 9, "n": 10, "r": 13, "f": 12, "e": 27, "a": 7}

_PUNCTUATION: Final = span(0x21, 0x7E) & ~(DIGIT | UPPER | LOWER)
POSIX: Final = {
    "alpha": UPPER | LOWER, "digit": DIGIT, "alnum": UPPER | LOWER | DIGIT, "upper": UPPER, "lower": LOWER,
    "space": SPACE, "blank": mask_of(b" \t"), "punct": _PUNCTUATION, "print": span(0x20, 0x7E),
    "graph": span(0x21, 0x7E), "cntrl": span(0, 31) | 1 << 127, "word": WORD, "ascii": span(0, 127),
    "xdigit": mask_of(b"0123456789abcdefABCDEF"),
}  # fmt: skip

BEYOND: Final = -1
"""A character over 0xFF: no byte is it."""


def number_escape(text: str, at: int) -> tuple[int, int] | None:
    """Return the byte that an escape with a number means and where it ends, or None for another escape.

    `at` is behind the backslash. The byte is BEYOND for a character that no byte is.
    """
    letter = text[at : at + 1]
    if letter == "x":
        return _hexadecimal(text, at + 1)
    if letter == "o" and text[at + 1 : at + 2] == "{":
        return _braced(text, at + 1, 8)
    if letter == "c" and at + 1 < len(text):
        return ord(text[at + 1].upper()) ^ 64, at + 2
    if letter in CONTROLS:
        return CONTROLS[letter], at + 1
    if letter == "0":
        return _octal(text, at)
    return None


def octal_escape(text: str, at: int) -> tuple[int, int] | None:
    """Return the byte of `\\123` in a place where it cannot be a back-reference."""
    digits = text[at : at + 3]
    if len(digits) == 3 and digits[0] in "123" and all(c in "01234567" for c in digits):
        return int(digits, 8), at + 3
    return None


def _hexadecimal(text: str, at: int) -> tuple[int, int]:
    if text[at : at + 1] == "{":
        return _braced(text, at, 16)
    end = at
    while end < at + 2 and text[end : end + 1] in _HEX:
        end += 1
    return int(text[at:end] or "0", 16), end


_HEX: Final = frozenset("0123456789abcdefABCDEF")


def _braced(text: str, at: int, base: int) -> tuple[int, int]:
    end = text.find("}", at)
    if end < 0:
        return BEYOND, len(text)
    try:
        value = int(text[at + 1 : end].strip() or "0", base)
    except ValueError:
        value = 256
    return (value if value < 256 else BEYOND), end + 1


def _octal(text: str, at: int) -> tuple[int, int]:
    end = at
    while end < at + 3 and text[end : end + 1] in ("0", "1", "2", "3", "4", "5", "6", "7"):
        end += 1
    return int(text[at:end], 8) & 255, end
