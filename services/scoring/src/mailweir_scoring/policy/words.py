"""Which phrases stand in a text, by what they are there for, found in one linear scan over all of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from mailweir_scoring.data import load
from mailweir_scoring.policy.letters import fold
from mailweir_scoring.policy.linear import Scan

_WORD_SCRIPTS: Final = re.compile(r"[a-z0-9\u00df-\u024f\u0370-\u052f]")
# Everything that is no letter, digit or octet of one, becomes a space.
_TO_WORDS: Final = bytes(c if c > 127 or chr(c).isalnum() else 32 for c in range(256))
_TYPOGRAPHIC: Final = re.compile(
    "[\u2010-\u2015\u2018-\u201f\u2022\u2026\u00a0\u00ab\u00bb\u3000-\u3002\uff01-\uff0f]"
)


@dataclass(frozen=True, slots=True)
class Words:
    """The phrases found: by kind, which. `text` is what they were sought in: folded, single-spaced."""

    text: bytes = b""
    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """Return how many different phrases of a kind there are."""
        return len(self.found.get(kind, ()))

    def evidence(self, *kinds: str) -> str:
        """Return the first phrases of some kinds."""
        return ", ".join(phrase for kind in kinds for phrase in self.found.get(kind, ())[:2])


SCHEMES: Final = frozenset(
    {
        "task", "only", "cards", "codes", "wire", "rebank", "pay", "outreach", "leave", "charged", "callus",
        "qr", "unlock", "passcode", "casino", "job", "mule", "receipts",
    }
)  # fmt: skip
"""Kinds of phrases that are sought apart: only in short letters of strangers."""


def read_words(subject: str, text: str) -> Words:
    """Return the phrases in a subject and a text, but for those of schemes."""
    return _read(normal(f"{subject} {text}"), schemes=False)


def schemes_in(folded: bytes) -> Words:
    """Return the phrases of schemes in a text that is folded already, as `Words.text` is."""
    return _read(folded, schemes=True)


def _read(folded: bytes, *, schemes: bool) -> Words:
    phrases, scan = _scan(schemes)
    found: dict[str, list[str]] = {}
    for index in scan.found_in(folded):
        kind, phrase = phrases[index]
        found.setdefault(kind, []).append(phrase)
    return Words(folded, {kind: tuple(dict.fromkeys(named)) for kind, named in found.items()})


def normal(text: str) -> bytes:
    """Return the words of a text, folded, each with one space before and after it, as UTF-8."""
    text = fold(text)
    if not text.isascii():
        text = _TYPOGRAPHIC.sub(" ", text)
    return b" %b " % b" ".join(text.encode("utf-8", "replace").translate(_TO_WORDS).split())


@cache
def _scan(schemes: bool) -> tuple[tuple[tuple[str, str], ...], Scan]:
    phrases = tuple(dict.fromkeys(p for p in _phrases() if (p[0] in SCHEMES) is schemes))
    return phrases, Scan(text_of(phrase) for _, phrase in phrases)


def _phrases() -> Iterator[tuple[str, str]]:
    for kinds in load("phrases").values():
        for kind, named in kinds.items():
            for phrase in named:
                yield kind, fold(phrase)


def text_of(phrase: str) -> bytes:
    """Return the octets to seek for a phrase; in scripts that part words, with the spaces around it."""
    begin = b" " if _WORD_SCRIPTS.match(phrase[0]) else b""
    end = b" " if _WORD_SCRIPTS.match(phrase[-1]) else b""
    return begin + normal(phrase.removesuffix("*")).strip() + end
