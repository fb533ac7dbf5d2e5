"""Reference ids: ULIDs, made at connect and extended per message.

The same string stands in the SMTP reply, the `X-Mailweir-Id` header, the log, the event and the record.
Format: https://github.com/ulid/spec, 26 characters of Crockford's base 32; a message of a session is
`<session>-<n>`, n counted from 1.
"""

import secrets
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS: Final = tuple(range(120, -1, -10))
ULID_LENGTH: Final = 26


def new_ulid(now: float, randbits: Callable[[int], int] = secrets.randbits) -> str:
    """Return a ULID for `now` (seconds since the epoch): sortable by time, 80 random bits."""
    value = (int(now * 1000) << 80) | randbits(80)
    # 130 bits in 13 pairs of characters: half the steps of one character at a time.
    return "".join([_PAIRS[(value >> shift) & 0x3FF] for shift in _SHIFTS])


def message_ref(session_id: str, number: int) -> str:
    """Return the reference of the session's `number`-th message (from 1)."""
    return f"{session_id}-{number}"


def is_ref(text: str) -> bool:
    """Say whether `text` has the shape of a reference id (session or message)."""
    ulid, _, number = text.partition("-")
    return (
        len(ulid) == ULID_LENGTH
        and all(c in _ALPHABET for c in ulid)
        and ("-" not in text or (number.isascii() and number.isdigit() and len(number) <= 9))
    )
