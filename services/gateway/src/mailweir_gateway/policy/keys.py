"""API keys: `mw_` and 43 characters that carry 256 random bits. Only their SHA-256 is ever stored.

A plain hash is enough: what a key is guessed from is not a person's memory but 2^256 possibilities.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

PREFIX: Final = "mw_"
RANDOM_BYTES: Final = 32
_KEY: Final = re.compile(r"mw_[A-Za-z0-9_-]{43}")
_BEARER: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)
MAX_HEADER: Final = 200


def new_key(token: Callable[[int], str]) -> str:
    """Return a new key; `token` gives so many random bytes in URL-safe base64 (secrets.token_urlsafe)."""
    return PREFIX + token(RANDOM_BYTES)


def is_key(text: str) -> bool:
    """Say whether a text has the shape of a key."""
    return _KEY.fullmatch(text) is not None


def key_in(header: str) -> str | None:
    """Return the key in an Authorization header (RFC 6750 §2.1), or None where there is none of ours."""
    found = _BEARER.fullmatch(header.strip()) if len(header) <= MAX_HEADER else None
    return found[1] if found is not None and is_key(found[1]) else None


def digest(key: str) -> str:
    """Return what is stored of a key: its SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two digests in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
