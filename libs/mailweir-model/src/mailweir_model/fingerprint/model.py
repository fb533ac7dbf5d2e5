"""What a campaign is known by: values that stay the same where copies of a mail differ."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BANDS: Final = 8
"""Pieces of a text's fingerprint; two texts are alike as far as theirs agree."""
BAND_DIGITS: Final = 16
"""Hexadecimal digits of a piece."""
DIGEST_BYTES: Final = 16


class Kind(StrEnum):
    """What of a mail a fingerprint was taken from. The names are stored: keep them."""

    TEXT = "text"  # a long text; alike in so many bands of BANDS
    SHORT_TEXT = "short-text"  # too short for that: the same words in the same order
    LINKS = "links"  # where all its links lead, by host and shape of path
    FILE = "file"  # an attached file, octet by octet
    IMAGE = "image"  # a picture, octet by octet
    STRUCTURE = "structure"  # the part tree and the skeleton of the HTML
    SUBJECT = "subject"  # the sender's address and the words of the subject


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """One fingerprint; `value` is lower-case hexadecimal, of BANDS bands for a TEXT."""

    kind: Kind
    value: str

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands of a TEXT; the whole value of any other kind."""
        if self.kind is not Kind.TEXT:
            return (self.value,)
        return tuple(
            self.value[at : at + BAND_DIGITS] for at in range(0, len(self.value), BAND_DIGITS)
        )

    def likeness(self, other: "Fingerprint") -> float:
        """Return in what part of their bands two fingerprints agree, from 0 to 1."""
        if self.kind is not other.kind:
            return 0.0
        mine, theirs = self.bands, other.bands
        return sum(a == b for a, b in zip(mine, theirs, strict=False)) / len(mine)


def digest(text: str) -> str:
    """Return a short hash of a text, lower-case hexadecimal."""
    data = text.encode("utf-8", "replace")
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()
