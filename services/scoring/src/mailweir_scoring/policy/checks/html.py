"""HTML: what it shows, what it hides, and what has no place in a mail."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_mail import HtmlView, LinkPlace
from mailweir_scoring.policy.checks.mime import text_leaves
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

IMAGE_ONLY_LETTERS: Final = 40
"""An image with fewer letters beside it carries the message itself."""
HIDDEN_LETTERS: Final = 400
"""Newsletters hide a sentence or two for the preview in the list of mails; more is there for filters."""
DIFFER_WORDS: Final = 20
DIFFER_SHARE: Final = 0.15
"""Two forms of one text share at least this part of the words of the shorter one."""
SPLIT_WORDS: Final = 3

_WORD: Final = re.compile(r"[^\W\d_]{3,30}")
_PASSWORD: Final = re.compile(r"<input[^>]{0,500}?type\s{0,3}=\s{0,3}[\"']?password", re.IGNORECASE)
# Latin letters with something between them that has no width; Persian, Indic scripts and emoji need such
# joiners, Latin never does. The soft hyphen is none of them: it is for hyphenation.
_SPLIT: Final = re.compile("[A-Za-z][\u034f\u200b-\u200f\u2060-\u2064\ufeff]{1,8}[A-Za-z]")


@check("HTML_ONLY", "IMAGE_ONLY", "PARTS_DIFFER")
def shape(facts: Facts) -> Iterator[Hit]:
    """HTML without a plain form, an image in place of text, or two forms that say different things."""
    views = html_views(facts)
    if not views:
        return
    plain = "\n".join(p.text for p in text_leaves(facts) if not p.is_html)
    shown = "\n".join(v.text for v in views)
    if not plain.strip():
        yield Hit("HTML_ONLY")
    letters = sum(1 for c in shown[: IMAGE_ONLY_LETTERS * 100] if c.isalpha())
    if letters < IMAGE_ONLY_LETTERS and any(v.images for v in views) and len(plain) < 200:
        yield Hit("IMAGE_ONLY", f"{letters} letters")
    share = common_share(plain, shown)
    if share is not None and share < DIFFER_SHARE:
        yield Hit("PARTS_DIFFER", f"{share:.0%} of the words in common")


def common_share(one: str, other: str) -> float | None:
    """Return which part of the shorter text's words is in the other; None where there are too few."""
    words, others = (frozenset(_WORD.findall(t.casefold())) for t in (one, other))
    few = min(len(words), len(others))
    return len(words & others) / few if few >= DIFFER_WORDS else None


def html_views(facts: Facts) -> list[HtmlView]:
    """Return the views of the HTML parts that a client shows."""
    return [p.html for p in text_leaves(facts) if p.html is not None]


@check("HTML_SCRIPT", "HTML_FRAME", "HTML_FORM", "HTML_PASSWORD", "HTML_REFRESH")
def active(facts: Facts) -> Iterator[Hit]:
    """What no mail client runs, and only a page that poses as a mail needs."""
    found: set[str] = set()
    for part in text_leaves(facts):
        view = part.html
        if view is None:
            continue
        for symbol, tags in (
            ("HTML_SCRIPT", ("script",)),
            ("HTML_FRAME", ("iframe", "frame", "object", "embed")),
            ("HTML_FORM", ("form",)),
        ):
            if any(tag in view.elements for tag in tags):
                found.add(symbol)
        if "input" in view.elements and _PASSWORD.search(part.text):
            found.add("HTML_PASSWORD")
        if any(link.place is LinkPlace.REFRESH for link in view.links):
            found.add("HTML_REFRESH")
    yield from (Hit(symbol) for symbol in sorted(found))


@check("HIDDEN_TEXT", "SPLIT_WORDS")
def hidden(facts: Facts) -> Iterator[Hit]:
    """Text that only a filter reads, and words that only a filter finds broken."""
    for view in html_views(facts):
        texts = [h.text for h in view.hidden]
        letters = sum(1 for t in texts for c in t if c.isalpha())
        shown = sum(1 for c in view.text if c.isalpha())
        if letters >= HIDDEN_LETTERS and letters > shown:
            yield Hit("HIDDEN_TEXT", f"{letters} letters hidden, {shown} shown: {texts[0]}")
            break
    text = facts.message.text
    split = _SPLIT.findall(text)
    if len(split) >= SPLIT_WORDS:
        yield Hit("SPLIT_WORDS", f"{len(split)} words")
