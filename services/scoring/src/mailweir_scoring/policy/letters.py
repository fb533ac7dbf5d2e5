"""Letters that look like others, letters that cannot be seen, and which script a letter is of."""

import re
import unicodedata
from typing import Final

_CYRILLIC: Final = dict(zip("асеорхуіјѕԁһѵԛԝ", "aceopxyijsdhvqw", strict=True))
_CYRILLIC_UPPER: Final = dict(zip("АВСЕНКМОРТХІЈЅԌԚԜ", "ABCEHKMOPTXIJSGQW", strict=True))
_GREEK: Final = dict(zip("αορνικτυεχ", "aopviktuex", strict=True))
_GREEK_UPPER: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))
_OTHERS: Final = {
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "ɡ": "g",
    "ɑ": "a",
    "ℓ": "l",
    "օ": "o",
    "ս": "u",
    "ո": "n",
    "һ": "h",
}
LOOKALIKES: Final = {**_CYRILLIC, **_CYRILLIC_UPPER, **_GREEK, **_GREEK_UPPER}
"""Letters of other scripts that pass for Latin ones."""

INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\U000e0000-\U000e007f"
)
"""As a class of a pattern: joiners, direction marks, soft hyphens, tags."""
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]+")
_MIXED_WORD: Final = re.compile(r"[^\W\d_]{3,40}")
_LATIN: Final = re.compile("[A-Za-z]")
_LOOKALIKE: Final = re.compile(f"[{''.join(LOOKALIKES)}]")
# Latin letters dressed up: mathematical, full-width, enclosed, small capitals
STYLED: Final = re.compile(
    "[\U0001d400-\U0001d7ff\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\U0001f130-\U0001f189]"
)

_SCRIPTS: Final = (
    ("latin", "A-Za-z\u00c0-\u024f\u1e00-\u1eff"),
    ("cyrillic", "\u0400-\u052f"),
    ("greek", "\u0370-\u03ff\u1f00-\u1fff"),
    ("hebrew", "\u0590-\u05ff"),
    ("arabic", "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff"),
    ("devanagari", "\u0900-\u097f"),
    ("bengali", "\u0980-\u09ff"),
    ("tamil", "\u0b80-\u0bff"),
    ("thai", "\u0e00-\u0e7f"),
    ("georgian", "\u10a0-\u10ff"),
    ("armenian", "\u0530-\u058f"),
    ("kana", "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"),
    ("hangul", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"),
    ("han", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"),
)
SCRIPTS: Final = tuple(name for name, _ in _SCRIPTS)
_OF_SCRIPT: Final = tuple((name, re.compile(f"[{span}]")) for name, span in _SCRIPTS)
_FOLDING: Final = str.maketrans(
    {**LOOKALIKES, **_OTHERS, "\u2019": "'", "\u2018": "'", "\u00a0": " "}
)


def fold(text: str) -> str:
    """Return text as a reader takes it: small letters, nothing invisible, dressed-up letters plain.

    Words of one script stay what they are; only where Latin letters stand beside them are look-alikes made
    Latin.
    """
    if text.isascii():
        return text.lower()
    text = _INVISIBLE.sub("", text).replace("\u2019", "'").replace("\u00a0", " ")
    if STYLED.search(text):
        text = unicodedata.normalize("NFKC", text)
    if _LOOKALIKE.search(text):
        text = _MIXED_WORD.sub(lambda word: _plain(word[0]), text)
    return text.casefold()


def _plain(word: str) -> str:
    return word.translate(_FOLDING) if _LATIN.search(word) else word


def skeleton(text: str) -> str:
    """Return what a name looks like: as `fold`, without accents, and look-alikes Latin in every word."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text).translate(_FOLDING))
    return "".join(c for c in text if not unicodedata.combining(c)).casefold()


def mixed_words(text: str) -> list[str]:
    """Return the words that have Latin letters beside look-alikes of another script."""
    if text.isascii() or not _LOOKALIKE.search(text):
        return []
    words = _MIXED_WORD.findall(text)
    return [w for w in words if _LATIN.search(w) and _LOOKALIKE.search(w)]


def invisible(text: str) -> int:
    """Count the places where something that cannot be seen stands."""
    return 0 if text.isascii() else len(_INVISIBLE.findall(text))


def scripts_of(text: str) -> dict[str, int]:
    """Return how many letters of each script a text has; scripts without any are left out."""
    if text.isascii():
        count = sum(map(str.isalpha, text))
        return {"latin": count} if count else {}
    counts = {name: len(pattern.findall(text)) for name, pattern in _OF_SCRIPT}
    return {name: count for name, count in counts.items() if count}
