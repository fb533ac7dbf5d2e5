"""The words of a text, in any script, and what language they seem to be of."""

import re
from typing import Final

CHARACTERS: Final = 8_000
"""Of the shown text, what is read: longer than most mails, and spam says what it wants early."""
WORDS: Final = 1_200
"""Words of one text that become features."""

_QUOTED: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+|[$€£¥%]|[!?]+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]{2,}")
_LONG: Final = 24


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in order, at most `WORDS`.

    Numbers become zeros as many as digits, up to five; a run of Chinese, Japanese or Korean characters
    becomes its pairs of neighbours.
    """
    plain = _without_names(text).lower()
    found = _WORD.findall(plain)[:WORDS]
    if plain.isascii():
        # a text repeats its words: each is looked at once
        made = {w: "00000"[: len(w)] if w[0].isdigit() else w[:_LONG] for w in set(found)}
        return tuple(map(made.__getitem__, found))
    words: list[str] = []
    for word in found:
        if word[0].isdigit():
            words.append("00000"[: len(word)])
        elif not word.isascii() and _CJK.search(word):
            words.extend(word[i : i + 2] for i in range(min(len(word), 200) - 1))
        else:
            words.append(word[:_LONG].replace("’", "'"))
    return tuple(words[:WORDS])


def _without_names(text: str) -> str:
    """Leave out addresses and links, which are no words: their shapes are features of their own."""
    if "@" not in text and "://" not in text and "www." not in text:
        return text
    return " ".join(w for w in text.split() if "@" not in w and "://" not in w and "www." not in w)


def split_quotes(text: str) -> tuple[str, float]:
    """Return the text without the lines that quote another message, and their share of its characters."""
    own = _QUOTED.sub("", text) if ">" in text else text
    return own, (len(text) - len(own)) / max(1, len(text))
