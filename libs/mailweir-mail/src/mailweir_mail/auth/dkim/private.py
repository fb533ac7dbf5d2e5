"""Private keys: reading, making, and the DNS record that goes with them."""

from base64 import b64encode
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

LEAST_BITS: Final = 1024  # RFC 8301 §3.2: signers must not use less
RSA_BITS: Final = 2048  # RFC 8301 §3.2: what they should use
_EXPONENT: Final = 65_537
_SHA256: Final = Prehashed(SHA256())


class KeyType(StrEnum):
    """The kinds of keys, as k= names them."""

    RSA = "rsa"
    ED25519 = "ed25519"


class BadKey(ValueError):
    """Raised for what is no private key that one can sign with; says why."""


def load_private_key(pem: bytes) -> PrivateKey:
    """Read a key in PEM (PKCS#8 or PKCS#1, not encrypted). Raises BadKey."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise BadKey("not a private key in PEM, or one with a password") from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise BadKey("neither an RSA nor an Ed25519 key")
    if key.key_size < LEAST_BITS:
        raise BadKey(f"an RSA key of {key.key_size} bits; {LEAST_BITS} are the least")
    return key


def make_private_key(type_: KeyType, bits: int = RSA_BITS) -> PrivateKey:
    """Make a key; `bits` are those of RSA."""
    if type_ is KeyType.ED25519:
        return Ed25519PrivateKey.generate()
    return generate_private_key(_EXPONENT, bits)


def to_pem(key: PrivateKey) -> bytes:
    """Return a key as PEM (PKCS#8, not encrypted)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def type_of(key: PrivateKey) -> KeyType:
    """Return which kind of key it is."""
    return KeyType.ED25519 if isinstance(key, Ed25519PrivateKey) else KeyType.RSA


def txt_record(key: PrivateKey) -> str:
    """Return the text of the TXT record to publish (RFC 6376 §3.6.1, RFC 8463 §4)."""
    public = key.public_key()
    if isinstance(key, Ed25519PrivateKey):
        octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={type_of(key)}; p={b64encode(octets).decode()}"


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Return the signature of a SHA-256 digest."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(digest)  # RFC 8463 §3: the digest is what is signed
    return key.sign(digest, PKCS1v15(), _SHA256)
