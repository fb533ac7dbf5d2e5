"""Public keys: what a TXT record at `selector._domainkey.domain` says (RFC 6376 §3.6.1, RFC 8463 §4)."""

from base64 import b64decode
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .model import DkimStatus, Unusable, broken
from .tags import compact, names, parse_tags

RECORD_BYTES: Final = 8192  # a key of 16,384 bits has 2,800 characters
_SHA256: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and what its record says of its use."""

    key: RSAPublicKey | Ed25519PublicKey
    type: str
    """`rsa` or `ed25519`, as k= and the first half of a= have it."""
    bits: int
    testing: bool
    """t=y: the domain tries DKIM out."""
    strict: bool
    """t=s: i= must be at d= itself."""
    hashes: tuple[bytes, ...] | None
    """h=: the hashes that the key may be used with, None for any."""

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Say whether `signature` is one of this SHA-256 digest."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)  # RFC 8463 §3: the digest is what is signed
            else:
                self.key.verify(signature, digest, PKCS1v15(), _SHA256)
        except InvalidSignature:
            return False
        return True


def parse_key(record: str) -> Key:
    """Read a TXT record, each octet a character. Raises Unusable where it is no key for mail.

    g= and notes are ignored, as RFC 6376 has it.
    """
    if len(record) > RECORD_BYTES:
        raise broken("the key record is too long")
    tags = parse_tags(record.encode("latin-1", "replace"))
    if b"v" in tags and (next(iter(tags)), tags[b"v"]) != (b"v", b"DKIM1"):
        raise broken("the key record is of another version")
    if b"p" not in tags:
        raise broken("the key record has no p=")
    if not compact(tags[b"p"]):
        raise Unusable(DkimStatus.PERMERROR, "the key is revoked")
    if not {b"*", b"email"}.intersection(names(tags.get(b"s", b"*"))):
        raise broken("the key is not for mail")
    flags = names(tags.get(b"t", b""))
    type_ = tags.get(b"k", b"rsa").decode("latin-1")
    key, bits = _load(type_, compact(tags[b"p"]))
    return Key(
        key=key,
        type=type_,
        bits=bits,
        testing=b"y" in flags,
        strict=b"s" in flags,
        hashes=names(tags[b"h"]) if b"h" in tags else None,
    )


def _load(type_: str, text: bytes) -> tuple[RSAPublicKey | Ed25519PublicKey, int]:
    """Return the key of p= and its size in bits. Raises Unusable."""
    try:
        octets = b64decode(text, validate=True)
        if type_ == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets), 256
        if type_ == "rsa":
            key = load_der_public_key(octets)
            if isinstance(key, RSAPublicKey):
                return key, key.key_size
    except (ValueError, UnsupportedAlgorithm) as error:
        raise broken("p= is not a key that can be used") from error
    raise broken(f"a key of type {type_[:20]!r}")


class KeyCache:
    """Parsed keys by their record, the least recently used dropped: parsing costs as much as verifying.

    A record that cannot be used is remembered too. It may be shared between threads.
    """

    def __init__(self, entries: int = 2000) -> None:
        """Hold that many."""
        self._entries = entries
        self._found: OrderedDict[str, Key | Unusable] = OrderedDict()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._found)

    def get(self, record: str) -> Key | Unusable:
        """Return the key of a record, or why there is none."""
        found = self._found.pop(record, None)
        if found is None:
            found = read_key(record)
        self._found[record] = found
        while len(self._found) > self._entries:
            try:
                self._found.popitem(last=False)
            except KeyError:  # another thread was faster
                break
        return found


def read_key(record: str) -> Key | Unusable:
    """Return the key of a record, or why there is none."""
    try:
        return parse_key(record)
    except Unusable as problem:
        return Unusable(problem.status, problem.detail)  # without the traceback of the first
