"""The cursor of a list: where the page before ended. Opaque to clients, checked when it comes back."""

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from typing import Final

MAX_CURSOR: Final = 128
MAX_REF: Final = 64
_HEAD: Final = struct.Struct(">Bd")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page: the next page begins behind it, in descending order of both."""

    received_at: float
    ref: str


def encode(position: Position) -> str:
    """Return a position as URL-safe text."""
    data = _HEAD.pack(_VERSION, position.received_at) + position.ref.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> Position | None:
    """Return the position in a cursor, or None where it is none of ours."""
    if len(text) > MAX_CURSOR or not text.isascii():
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, received_at = _HEAD.unpack_from(data)
        ref = data[_HEAD.size :].decode()
    except (binascii.Error, struct.error, UnicodeDecodeError):
        return None
    position = Position(received_at, ref)
    whole = version == _VERSION and math.isfinite(received_at) and 0 < len(ref) <= MAX_REF
    # Base 64 has several spellings of the same bytes; only the one that we wrote is taken.
    return position if whole and ref.isprintable() and encode(position) == text else None
