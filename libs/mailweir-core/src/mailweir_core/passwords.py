"""Passwords of submission accounts: scrypt (RFC 7914), the parameters kept beside each hash.

Hashing takes tens of milliseconds and `128 * r * n` bytes by design: run it in a thread, few at a time.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
DEFAULT_N: Final = 2**15  # with r = 8: 32 MiB and about 0.1 s on a server's core
DEFAULT_R: Final = 8
DEFAULT_P: Final = 1
MAX_PASSWORD_BYTES: Final = 1024

# What a stored hash may ask of us: it comes from a bucket that more than one service can write to.
_MAX_N: Final = 2**17
_MAX_R: Final = 16
_MAX_P: Final = 4
_MAX_FIELD_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A scrypt hash: cost `n` (a power of two), block size `r`, parallelism `p`, salt and derived key."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for parameters that are wrong or would cost too much."""
        if not (1 < self.n <= _MAX_N and self.n & (self.n - 1) == 0):
            raise ValueError(f"n must be a power of two up to {_MAX_N}")
        if not (1 <= self.r <= _MAX_R and 1 <= self.p <= _MAX_P):
            raise ValueError(f"r must be at most {_MAX_R} and p at most {_MAX_P}")
        if not (
            8 <= len(self.salt) <= _MAX_FIELD_BYTES and 16 <= len(self.hash) <= _MAX_FIELD_BYTES
        ):
            raise ValueError("salt or hash has a wrong length")

    def to_dict(self) -> dict[str, int | str]:
        """Return the form that is stored: numbers, and base64 for salt and hash."""
        return {
            "n": self.n,
            "r": self.r,
            "p": self.p,
            "salt": base64.b64encode(self.salt).decode(),
            "hash": base64.b64encode(self.hash).decode(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> "PasswordHash":
        """Return the hash in its stored form; raises ValueError for anything else."""
        n, r, p = (_number(stored.get(name)) for name in ("n", "r", "p"))
        return cls(n, r, p, _octets(stored.get("salt")), _octets(stored.get("hash")))


def hash_password(password: str, salt: bytes | None = None) -> PasswordHash:
    """Return the hash of a new password, under a random salt unless one is given.

    Raises ValueError for an empty or overlong one, which no check could ever accept.
    """
    if not 0 < len(password.encode()) <= MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    derived = _derive(password, salt, (DEFAULT_N, DEFAULT_R, DEFAULT_P), HASH_BYTES)
    return PasswordHash(DEFAULT_N, DEFAULT_R, DEFAULT_P, salt, derived)


def verify(password: str, stored: PasswordHash) -> bool:
    """Say whether `password` is the one; takes the same time whatever the answer."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8, carried as surrogates
        password, size = "", 0
    fits = 0 < size <= MAX_PASSWORD_BYTES
    cost = (stored.n, stored.r, stored.p)
    derived = _derive(password if fits else "", stored.salt, cost, len(stored.hash))
    return hmac.compare_digest(derived, stored.hash) and fits


def decoy() -> PasswordHash:
    """Return a hash that no password has, so that an unknown login costs the time of a known one."""
    salt, derived = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(HASH_BYTES)
    return PasswordHash(DEFAULT_N, DEFAULT_R, DEFAULT_P, salt, derived)


def _derive(password: str, salt: bytes, cost: tuple[int, int, int], length: int) -> bytes:
    n, r, p = cost
    # The library's own limit of 32 MiB is just below what the default parameters need.
    maxmem = 128 * r * (n + p + 2) + 1024 * 1024
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=maxmem, dklen=length)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("n, r and p must be whole numbers")
    return value


def _octets(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * _MAX_FIELD_BYTES:
        raise ValueError("salt and hash must be base64 texts")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("salt and hash must be base64 texts") from error
