"""HTML: what it shows, what it hides, and what has no place in a mail."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_mail import LinkPlace
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

IMAGE_ONLY_LETTERS: Final = 40
"""An image with fewer letters beside it carries the message itself."""
HIDDEN_LETTERS: Final = 400
"""Newsletters hide a sentence or two for the preview in the list of mails; more is there for filters."""
DIFFER_WORDS: Final = 20
DIFFER_SHARE: Final = 0.15
"""Two forms of one text share at least this part of the words of the shorter one."""
SPLIT_WORDS: Final = 8
"""Some mailers break up addresses and dates so that no client makes links of them."""
PLAIN_CHARACTERS: Final = 200
"""A longer plain form is a text of its own beside the image."""
ACTIVE: Final = {
    "HTML_SCRIPT": frozenset({"script"}),
    "HTML_FRAME": frozenset({"iframe", "frame", "object", "embed"}),
    "HTML_FORM": frozenset({"form"}),
}
"""Elements that do something by themselves."""

_WORD: Final = re.compile(r"[^\W\d_]{3,30}")
_PASSWORD: Final = re.compile(r"\btype\s{0,3}=\s{0,3}[\"']?password", re.IGNORECASE)
# Latin letters with something between them that has no width; Persian, Indic scripts and emoji need such
# joiners, Latin never does. Soft hyphens hyphenate, and byte order marks are left behind by templates. The
# joiner is sought first: there are few of them, and letters without end.
_SPLIT: Final = re.compile(
    "[\u034f\u200b-\u200f\u2060-\u2064](?<=[A-Za-z].)[\u034f\u200b-\u200f\u2060-\u2064]{0,7}(?=[A-Za-z])"
)


@check("HTML_ONLY", "IMAGE_ONLY", "PARTS_DIFFER")
def shape(facts: Facts) -> Iterator[Hit]:
    """HTML without a plain form, an image in place of text, or two forms that say different things."""
    view = view_of(facts)
    views, plain, shown = view.html, view.plain, view.rendered
    if not views:
        return
    if not plain.strip():
        yield Hit("HTML_ONLY")
    few = letters(shown[: IMAGE_ONLY_LETTERS * 100])
    if few < IMAGE_ONLY_LETTERS and any(v.images for v in views) and len(plain) < PLAIN_CHARACTERS:
        yield Hit("IMAGE_ONLY", f"{few} letters")
    share = common_share(plain, shown)
    if share is not None and share < DIFFER_SHARE:
        yield Hit("PARTS_DIFFER", f"{share:.0%} of the words in common")


def letters(text: str) -> int:
    """Count the letters in a text."""
    return sum(map(str.isalpha, text))


def common_share(one: str, other: str) -> float | None:
    """Return which part of the shorter text's words is in the other; None where there are too few."""
    words = frozenset(_WORD.findall(one.casefold()))
    if len(words) < DIFFER_WORDS:
        return None
    others = frozenset(_WORD.findall(other.casefold()))
    few = min(len(words), len(others))
    return len(words & others) / few if few >= DIFFER_WORDS else None


@check(*ACTIVE, "HTML_PASSWORD", "HTML_REFRESH")
def active(facts: Facts) -> Iterator[Hit]:
    """What no mail client runs, and only a page that poses as a mail needs."""
    views = view_of(facts).html
    tags = frozenset().union(*(v.elements for v in views))
    for symbol, which in ACTIVE.items():
        if tags & which:
            yield Hit(symbol, ", ".join(sorted(tags & which)))
    if "input" in tags and any(_PASSWORD.search(p.text) for p in facts.texts if p.is_html):
        yield Hit("HTML_PASSWORD")
    sent_on = [link.href for v in views for link in v.links if link.place is LinkPlace.REFRESH]
    if sent_on:
        yield Hit("HTML_REFRESH", sent_on[0])


def split_words(text: str) -> int:
    """Count the places where something without width stands between two Latin letters."""
    return 0 if text.isascii() else len(_SPLIT.findall(text))


@check("HIDDEN_TEXT", "SPLIT_WORDS")
def hidden(facts: Facts) -> Iterator[Hit]:
    """Text that only a filter reads, and words that only a filter finds broken."""
    split = 0
    for part in facts.texts:
        view = part.html
        split += split_words(part.text if view is None else view.text)
        if view is None:
            continue
        unseen = sum(letters(h.text) for h in view.hidden)
        if unseen >= HIDDEN_LETTERS and unseen > (seen := letters(view.text)):
            yield Hit(
                "HIDDEN_TEXT", f"{unseen} letters hidden, {seen} shown: {view.hidden[0].text}"
            )
    if split >= SPLIT_WORDS:
        yield Hit("SPLIT_WORDS", f"{split} words")
