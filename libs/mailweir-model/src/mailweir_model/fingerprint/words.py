"""The words of a mail that all copies of a campaign share: no names, numbers, links, quotes or footers."""

import re
from collections.abc import Sequence, Set as AbstractSet
from typing import Final

from mailweir_mail import Message, Part

TEXT_CHARACTERS: Final = 16_384
"""Of the shown text, what is looked at."""
MOST_WORDS: Final = 1200
LONGEST_WORD: Final = 24
"""Longer runs of letters are cut: noise put there to differ, or encoded data."""
FOOTER_CHARACTERS: Final = 1500
"""Most of what follows a separator line that may be a footer."""

# Scripts without spaces between words (Thai, Kana, Han): each letter counts as a word of its own.
_SINGLE: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_SINGLE}]|[^\W\d_{_SINGLE}]{{2,{LONGEST_WORD}}}")
_SEPARATOR: Final = re.compile(r"(?m)^(?:-- ?|[-_=*~]{5,}[ \t]*)$")


def shown_text(parts: Sequence[Part]) -> str:
    """Return the text that a reader sees of these parts, at most TEXT_CHARACTERS."""
    taken: list[str] = []
    left = TEXT_CHARACTERS
    for part in parts:
        html = part.html
        text = html.text if html is not None else part.text if part.is_text else ""
        taken.append(text[:left])
        left -= len(taken[-1])
        if left <= 0:
            break
    return "\n".join(taken)


def own_text(text: str) -> str:
    """Return a text without quoted lines and without what a list or a mailer put below it."""
    if "\n>" in text or text.startswith(">"):
        text = "\n".join(line for line in text.split("\n") if not line.startswith(">"))
    mark = _SEPARATOR.search(text, max(0, len(text) - FOOTER_CHARACTERS))
    return text if mark is None else text[: mark.start()]


def words_of(text: str, without: AbstractSet[str] = frozenset()) -> list[str]:
    """Return the words of two letters or more in lower case, at most MOST_WORDS; none of `without`."""
    if "://" in text or "@" in text or "www." in text:
        text = " ".join(w for w in text.split() if not ("://" in w or "@" in w or "www." in w))
    words = _WORD.findall(text.lower())
    if without:
        words = [w for w in words if w not in without]
    return words[:MOST_WORDS]


def recipient_names(message: Message) -> frozenset[str]:
    """Return the words that copies for other recipients would have others for."""
    names: set[str] = set()
    for mailbox in (*message.to.addresses[:8], *message.cc.addresses[:8]):
        names.update(_WORD.findall(f"{mailbox.local} {mailbox.name}".lower()))
        names.add(mailbox.domain.partition(".")[0])
    return frozenset(names)
