"""Making what strangers wrote fit to be stored: every column has a length, no text has a NUL in it."""

import math
from typing import Final

from mailweir_core.ids import ULID_LENGTH

MAX_REF: Final = 64
MAX_ADDRESS: Final = 320
MAX_HELO: Final = 255
MAX_IP: Final = 64
MAX_SUBJECT: Final = 500
MAX_WORD: Final = 32
MAX_BYTES: Final = 2**53
MAX_RECIPIENTS: Final = 1000
"""Recipients of a record that are kept in the index, and as many refused ones."""
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NUL: Final = "\0"


def clean(text: str, most: int) -> str:
    """Return text that every database takes: no NUL, at most `most` characters."""
    return text[:most].replace(_NUL, "\ufffd") if _NUL in text else text[:most]


def is_storable_ref(ref: str) -> bool:
    """Say whether a reference can be a key: our own have a stricter shape, other services' may differ."""
    return 0 < len(ref) <= MAX_REF and ref.isascii() and ref.replace("-", "").isalnum()


def finite(number: float, otherwise: float = 0.0) -> float:
    """Return a number that every database takes."""
    return number if math.isfinite(number) else otherwise


def time_of(ref: str, otherwise: float) -> float:
    """Return when a reference was made, in seconds since the epoch, as its ULID tells."""
    head = ref[:10]
    if len(ref) < ULID_LENGTH or any(c not in _DIGITS for c in head):
        return otherwise
    milliseconds = 0
    for c in head:
        milliseconds = milliseconds * 32 + _DIGITS.index(c)
    return milliseconds / 1000
