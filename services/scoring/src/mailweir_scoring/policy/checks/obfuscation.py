"""Texts that are written so that a reader sees one thing and a filter another."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from mailweir_scoring.policy.checks.view import SHOWN_CHARACTERS, View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.letters import INVISIBLE, STYLED, mixed_words
from mailweir_scoring.policy.linear import Pattern
from mailweir_scoring.policy.pipeline import check

MIXED_WORDS: Final = 3
STYLED_LETTERS: Final = 12
"""Some write a heading so; more is a text."""
SPACED_WORDS: Final = 2
LEET_WORDS: Final = 4
ENTITIES: Final = 40
ENTITY_SHARE: Final = 0.3
"""Of the text that is shown; some editors write addresses so."""
RANDOM_WORDS: Final = 4
COMMENT_CHARACTERS: Final = 2000
GAP_LINES: Final = 25
SHORT_TEXT: Final = 300

_UNSEEN: Final = re.compile(f"[{INVISIBLE}](?<=[A-Za-z].)(?=[A-Za-z])")
_TURNED: Final = re.compile("[\u202a\u202b\u202d\u202e\u2066-\u2068]")
# Single letters with the same mark between them, four and more: V-I-A-G-R-A
_SPACED: Final = re.compile(r"(?<![\w.])[A-Za-z]([ .*_\-])(?:[A-Za-z]\1){3,20}+[A-Za-z](?![\w.])")
_LEET: Final = re.compile(
    r"(?<![\w@/.#=&-])[a-z]{1,12}(?:[013457@$!|][a-z]{1,12}){1,4}(?![\w@/.=&-])"
)
# Quick and linear: whether it is worth looking closely.
_MAYBE_SPACED: Final = Pattern(r"(?:[A-Za-z][ .*_\-]){4}")
_MAYBE_LEET: Final = Pattern(r"[a-z][013457@$!|]{1,2}[a-z]")
_LEET_PLACE: Final = Pattern(r"(?i)[a-z\x{130}][013457@$!|][a-z\x{130}]")
_MAYBE_RANDOM: Final = Pattern(r"(?i)(?:^|[^\w@/.=&-])[b-df-hj-np-tv-xz]{6}")
_ENTITY: Final = re.compile(
    r"&#(?:x[46][0-9a-f]|x[57][0-9a]|6[5-9]|[78]\d|9[07-9]|1[01]\d|12[0-2]);", re.IGNORECASE
)
_RANDOM: Final = re.compile(r"(?<![\w@/.=&-])[b-df-hj-np-tv-xz]{6,30}(?![\w@/.=&-])")
_GAP: Final = "\n" * GAP_LINES


@check("SUBJECT_OBFUSCATED", "NAME_OBFUSCATED")
def shown_fields(facts: Facts) -> Iterator[Hit]:
    """Subject and sender's name with look-alike, dressed-up, unseen or turned letters."""
    for symbol, text in (
        ("SUBJECT_OBFUSCATED", facts.message.subject),
        ("NAME_OBFUSCATED", view_of(facts).sender.name),
    ):
        if not text.isascii() and (
            mixed_words(text)
            or _UNSEEN.search(text)
            or _TURNED.search(text)
            or len(STYLED.findall(text)) > 2
        ):
            yield Hit(symbol, text)


@check(
    "MIXED_SCRIPT_WORDS",
    "STYLED_LETTERS",
    "SPACED_WORDS",
    "LEET_WORDS",
    "RANDOM_WORDS",
    "TEXT_BELOW_GAP",
)
def text(facts: Facts) -> Iterator[Hit]:
    """A text with such letters, or with words that are split, spelt in digits or drawn by lot."""
    view = view_of(facts)
    shown = view.shown[:SHOWN_CHARACTERS]
    if not shown.isascii():
        mixed = mixed_words(shown)
        if len(mixed) >= MIXED_WORDS:
            yield Hit("MIXED_SCRIPT_WORDS", f"{len(mixed)} words: {mixed[0]}")
        styled = STYLED.findall(shown)
        if len(styled) >= STYLED_LETTERS and max(map(ord, styled)) > 0x1D000:
            yield Hit("STYLED_LETTERS", f"{len(styled)} letters")
    yield from _words(view, shown)
    if _GAP in view.plain[:SHOWN_CHARACTERS] and view.plain.partition(_GAP)[2].strip():
        yield Hit("TEXT_BELOW_GAP")


def _words(view: View, shown: str) -> Iterator[Hit]:
    text = view.searched
    if _MAYBE_SPACED.found_in(text):
        spaced = [m[0] for m in _SPACED.finditer(shown)]
        if len(spaced) >= SPACED_WORDS:
            yield Hit("SPACED_WORDS", ", ".join(spaced[:3]))
    if _MAYBE_LEET.found_in(text) and _LEET_PLACE.found_times(text, LEET_WORDS):
        leet = set(_LEET.findall(shown.lower()))
        if len(leet) >= LEET_WORDS:
            yield Hit("LEET_WORDS", ", ".join(sorted(leet)[:3]))
    if _MAYBE_RANDOM.found_times(text, RANDOM_WORDS):
        drawn = set(_RANDOM.findall(shown.lower()))
        if len(drawn) >= RANDOM_WORDS:
            yield Hit("RANDOM_WORDS", ", ".join(sorted(drawn)[:3]))


@check("HTML_ENTITIES", "HTML_COMMENTS", "HTML_UNSEEN_LETTERS")
def markup(facts: Facts) -> Iterator[Hit]:
    """Plain letters written as entities, comments for filters, letters of no width in the HTML."""
    view = view_of(facts)
    sources = [p.text for p in facts.texts if p.is_html]
    entities = sum(len(_ENTITY.findall(s)) for s in sources if "&#" in s)
    if entities >= ENTITIES and entities > ENTITY_SHARE * len(view.rendered):
        yield Hit("HTML_ENTITIES", f"{entities} letters")
    remarks = sum(len(c) for v in view.html for c in v.comments if "[if " not in c and "{" not in c)
    if remarks >= COMMENT_CHARACTERS and remarks > len(view.rendered):
        yield Hit("HTML_COMMENTS", f"{remarks} characters")
    if not view.rendered.isascii() and _TURNED.search(view.rendered):
        yield Hit("HTML_UNSEEN_LETTERS")


@check("SUBJECT_TAIL", "SUBJECT_GAP")
def subject_tail(facts: Facts) -> Iterator[Hit]:
    """A subject that ends in a mark of the campaign, or far away."""
    subject = facts.message.subject
    if re.search(r"\S\s{6,}\S", subject):
        yield Hit("SUBJECT_GAP", subject)
    last = subject.rpartition(" ")[2]
    if len(last) >= 8 and last.isalnum() and sum(map(str.isdigit, last)) >= 3 and _turns(last) >= 4:
        yield Hit("SUBJECT_TAIL", last)


def _turns(word: str) -> int:
    return sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
