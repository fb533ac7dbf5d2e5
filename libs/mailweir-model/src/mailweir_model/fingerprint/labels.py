"""How a label changes what is known of a fingerprint, and the form in which that is stored."""

import json
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final

from .book import FuzzyBook, FuzzyEntry
from .model import Fingerprint, Kind

MOST_LABELS: Final = 1000.0
"""Labels of one kind that are counted: more change nothing, and fewer must be able to outweigh them."""
LEARNT: Final = frozenset(Kind) - {Kind.SUBJECT}
"""A sender's subject is no campaign's mark; everything else is learnt and weighed when it is looked up."""


class Label(StrEnum):
    """What people call a mail."""

    SPAM = "spam"
    HAM = "ham"


def targets(book: FuzzyBook, fingerprints: Iterable[Fingerprint]) -> tuple[Fingerprint, ...]:
    """Return the fingerprints that labels of a mail with `fingerprints` go to: known ones for its likes.

    So all copies of a campaign add to one entry.
    """
    found: dict[Fingerprint, None] = {}
    for fingerprint in fingerprints:
        if fingerprint.kind in LEARNT:
            match = book.best(fingerprint)
            found[fingerprint if match is None else match.entry.fingerprint] = None
    return tuple(found)


def taught(entry: FuzzyEntry, label: Label, weight: float, at: float) -> FuzzyEntry:
    """Return the entry with `weight` labels more (fewer where it is below 0), from 0 to MOST_LABELS."""
    if label is Label.SPAM:
        return replace(entry, spam=_bounded(entry.spam + weight), at=at)
    return replace(entry, ham=_bounded(entry.ham + weight), at=at)


def _bounded(labels: float) -> float:
    return round(min(MOST_LABELS, max(0.0, labels)), 3)


def key_of(fingerprint: Fingerprint) -> str:
    """Return the key of a fingerprint in a bucket."""
    return f"{fingerprint.kind}.{fingerprint.value}"


def dump(entry: FuzzyEntry) -> bytes:
    """Return the stored value of an entry."""
    return json.dumps({"spam": entry.spam, "ham": entry.ham, "at": entry.at}).encode()


def load(key: str, value: bytes) -> FuzzyEntry | None:
    """Return the entry of a key and its value, or None where they are not of this form."""
    kind, _, hexadecimal = key.partition(".")
    try:
        if not bytes.fromhex(hexadecimal):
            return None
        document = json.loads(value)
        spam, ham, at = (float(document[name]) for name in ("spam", "ham", "at"))
        return FuzzyEntry(Fingerprint(Kind(kind), hexadecimal), _bounded(spam), _bounded(ham), at)
    except (ValueError, TypeError, KeyError):
        return None
