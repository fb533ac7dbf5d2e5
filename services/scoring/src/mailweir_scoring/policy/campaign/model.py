"""What is asked about a mail's copies, and which fingerprints make two mails copies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_model.fingerprint import Fingerprint, Kind
from mailweir_model.fingerprint.book import LEAST_BANDS
from mailweir_model.fingerprint.model import BAND_DIGITS, digest
from mailweir_policy import BulkMode

BODY_KINDS: Final = (Kind.TEXT, Kind.SHORT_TEXT, Kind.FILE)
"""Pictures, links and structure are shared by mails that only look alike."""

Family = tuple[str, ...]
"""Keys of one fingerprint: the bands of a text, the value of any other. Hexadecimal, BAND_DIGITS long."""


@dataclass(frozen=True, slots=True)
class CampaignQuestion:
    """Counts a mail under its keys; asks how many copies came in the window that ends at `at`.

    `at` is in seconds since the epoch, `window` in seconds.
    """

    families: tuple[Family, ...]
    at: float
    window: float


@dataclass(frozen=True, slots=True)
class CampaignAnswer:
    """How many copies there were, this one included, as far as is known; 1: none but this."""

    copies: int = 1


def families_of(fingerprints: Sequence[Fingerprint], mode: BulkMode) -> tuple[Family, ...]:
    """Return the keys that a mail is counted under; none where it has nothing that its copies share."""
    subject = next((f.value for f in fingerprints if f.kind is Kind.SUBJECT), "")
    if mode is BulkMode.SUBJECT:
        return ((subject[:BAND_DIGITS],),) if subject else ()
    bodies = [f for f in fingerprints if f.kind in BODY_KINDS]
    if mode is BulkMode.BODY:
        return tuple(tuple(b[:BAND_DIGITS] for b in f.bands) for f in bodies)
    if not subject:
        return ()
    return tuple(tuple(digest(subject + b)[:BAND_DIGITS] for b in f.bands) for f in bodies)


def copies_of(families: Iterable[Sequence[int]]) -> int:
    """Return the number of copies from the counts of each key: as many as enough bands of a text agree on."""
    agreed = (sorted(counts, reverse=True)[:LEAST_BANDS][-1] for counts in families if counts)
    return max(agreed, default=0)
