"""From a message to its features: one extractor, for judging and for learning alike."""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from mailweir_mail import Message

from .hashing import EMPTY, Hashes, Keys, distinct, grams, hash_lists, pair
from .header import header_facts
from .language import Language, language_of
from .links import link_facts
from .markup import html_facts
from .names import owner_of
from .shapes import bucket, share_bucket
from .text import CHARACTERS, split_quotes, words_of

VERSION: Final = 1
"""Raised whenever the same message would give other features: a model fits one version only."""
SUBJECT: Final = 200
"""Characters of the subject and of a display name that become n-grams."""

SAMPLE: Final = 1_200
"""Characters of the text that are counted one by one."""

_LOWER: Final = string.ascii_lowercase.encode()
_UPPER: Final = string.ascii_uppercase.encode()
_DIGITS: Final = string.digits.encode()


class View(IntEnum):
    """The aspects of a message that are judged apart."""

    WORDS = 0
    PAIRS = 1
    SUBJECT = 2
    HEADER = 3
    LINKS = 4
    HTML = 5
    PROSE = 6


EDGES: Final[Keys] = np.array([view << 32 for view in (*View, len(View))], np.uint64)
"""Where in `Features.keys` each view begins, as a number to look for, and behind the last one."""


@dataclass(frozen=True, slots=True)
class Features:
    """The hashed features of one message, and what it is about.

    `keys` are the hashes of all views, each with the number of its view above it, each once and in rising
    order; `starts` says where each view begins, and where the last one ends.
    """

    keys: Keys
    starts: npt.NDArray[np.intp]
    words: tuple[str, ...]
    hashed: Hashes
    """Of each of `words`, in order."""
    language: Language

    @property
    def views(self) -> tuple[Hashes, ...]:
        """Return the hashes of each view, each once and in rising order."""
        return tuple(np.split(self.keys.astype(np.uint32), self.starts[1:-1]))


def extract(message: Message) -> Features:
    """Return the features of a message; the same message always gives the same, and none raises."""
    shown = message.rendered or message.text
    own, quoted = split_quotes(shown[:CHARACTERS])
    words, subject = words_of(own), message.subject[:SUBJECT]
    titles = words_of(subject)
    language = language_of(subject + "\n" + own, (*titles, *words))
    sender = message.from_.first
    owner = owner_of(sender.domain) if sender else ""
    hashed, title, header, links, html, prose = hash_lists(
        (
            (words, View.WORDS),
            (titles, View.SUBJECT),
            (list(header_facts(message)), View.HEADER),
            (list(link_facts(message.links, owner)), View.LINKS),
            (list(html_facts(message)), View.HTML),
            (list(_prose(own, words, quoted, language)), View.PROSE),
        )
    )
    pieces = grams(subject.lower(), (3, 4, 5), 100 + View.SUBJECT)
    keys = _keys(
        (hashed, View.WORDS),
        (_pairs(hashed), View.PAIRS),
        (title, View.SUBJECT),
        (_pairs(title), View.SUBJECT),
        (pieces, View.SUBJECT),
        (header, View.HEADER),
        (links, View.LINKS),
        (html, View.HTML),
        (prose, View.PROSE),
    )
    return Features(keys, np.searchsorted(keys, EDGES), words, hashed, language)


def _keys(*lists: tuple[Hashes, View]) -> Keys:
    views = np.repeat(EDGES[[view for _, view in lists]], [len(hashes) for hashes, _ in lists])
    return distinct(np.concatenate([hashes for hashes, _ in lists]) | views)


def _pairs(hashed: Hashes) -> Hashes:
    return pair(hashed[:-1], hashed[1:], View.PAIRS) if len(hashed) > 1 else EMPTY


def _prose(own: str, words: tuple[str, ...], quoted: float, language: Language) -> Iterator[str]:
    """Yield how the text is written, apart from what it says."""
    sample = own[:SAMPLE]
    size = max(1, len(sample))
    letters, upper, digits = _counted(sample)
    yield f"quoted {share_bucket(quoted)}"
    yield f"length {bucket(len(own))}"
    yield f"words {bucket(len(words))}"
    yield f"lines {bucket(own.count(chr(10)))}"
    yield f"upper {share_bucket(2 * upper / max(1, letters))}"
    yield f"digits {share_bucket(3 * digits / size)}"
    yield f"letters {share_bucket(letters / size)}"
    yield f"distinct {share_bucket(len(set(words[:300])) / max(1, len(words[:300])))}"
    yield f"english {share_bucket(2 * language.english)}"
    for mark in (
        "!!",
        "$",
        "€",
        "£",
        "%",
        "***",
        "---",
        "...",
        "#",
        "©",
        "®",
        "™",
        "•",
        "|",
        "\u200b",
        "\u00ad",
    ):
        if mark in own:
            yield f"mark {mark} {bucket(own.count(mark))}"
    head, tail = own.strip()[:60].lower(), own.strip()[-200:].lower()
    yield f"greeting {head.split()[0][:12] if head.split() else ''}"
    yield f"signature {'-- ' in tail or chr(10) + '--' in tail}"


def _counted(sample: str) -> tuple[int, int, int]:
    """Return how many letters, upper case letters and digits there are."""
    if not sample.isascii():
        kinds = (str.isalpha, str.isupper, str.isdigit)
        letters, upper, digits = (sum(map(kind, sample)) for kind in kinds)
        return letters, upper, digits
    octets = sample.encode("ascii")
    lower, upper, digits = (
        len(octets) - len(octets.translate(None, kind)) for kind in (_LOWER, _UPPER, _DIGITS)
    )
    return lower + upper, upper, digits
