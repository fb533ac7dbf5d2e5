"""Key records and private keys (RFC 6376 §3.6.1, RFC 8463 §4)."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, strategies as st

from mailweir_mail.auth.dkim import (
    BadKey,
    KeyCache,
    KeyType,
    load_private_key,
    make_private_key,
    to_pem,
    txt_record,
)
from mailweir_mail.auth.dkim.keys import Key, parse_key, read_key
from mailweir_mail.auth.dkim.model import Unusable
from mailweir_mail.auth.dkim.private import sign_digest, type_of

RSA = make_private_key(KeyType.RSA, 1024)
ED = make_private_key(KeyType.ED25519)
RECORD = txt_record(RSA)
P = RECORD.partition("p=")[2]
DIGEST = bytes(32)


@pytest.mark.parametrize("private", [RSA, ED], ids=["rsa", "ed25519"])
def test_what_is_published_verifies_what_is_signed(private: object) -> None:
    assert isinstance(private, type(RSA) | type(ED))
    key = parse_key(txt_record(private))
    signature = sign_digest(private, DIGEST)
    assert key.type == type_of(private)
    assert key.verifies(signature, DIGEST)
    assert not key.verifies(signature, b"x" * 32)
    assert not key.verifies(b"", DIGEST)
    assert not key.verifies(signature[:-1], DIGEST)


def test_the_least_there_must_be_is_p() -> None:
    key = parse_key(f"p={P}")
    assert (key.type, key.bits, key.testing, key.strict, key.hashes) == (
        "rsa",
        1024,
        False,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("extra", "testing", "strict", "hashes"),
    [
        ("t=y", True, False, None),
        ("t=s", False, True, None),
        ("t=y:S", True, True, None),
        ("t= y : x : s ", True, True, None),
        ("h=sha1:sha256", False, False, (b"sha1", b"sha256")),
        ("s=email", False, False, None),
        ("s=other:*", False, False, None),
        ("g=nobody; n=a note; zz=unknown", False, False, None),
    ],
)
def test_what_a_record_says_of_its_use(
    extra: str, testing: bool, strict: bool, hashes: tuple[bytes, ...] | None
) -> None:
    key = parse_key(f"v=DKIM1; {extra}; p={P}")
    assert (key.testing, key.strict, key.hashes) == (testing, strict, hashes)


def test_a_key_may_stand_in_pieces_and_in_the_older_form() -> None:
    assert parse_key(f"p= {P[:50]} {P[50:]} ").bits == 1024
    public = RSA.public_key()
    older = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert parse_key(f"p={b64encode(older).decode()}").bits == 1024


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1; p= ;", "revoked"),
        ("v=DKIM1; k=rsa", "no p="),
        (f"v=DKIM2; p={P}", "version"),
        (f"p={P}; v=DKIM1", "version"),
        ("v=spf1 -all", "version"),
        ("google-site-verification", "not a tag list"),
        (f"v=DKIM1; s=tlsrpt; p={P}", "not for mail"),
        (f"v=DKIM1; k=dsa; p={P}", "a key of type"),
        (f"v=DKIM1; k=ed25519; p={P}", "not a key"),
        ("v=DKIM1; p=AAAA", "not a key"),
        ("v=DKIM1; p=%%%", "not a key"),
        (f"v=DKIM1; p={P}; p={P}", "twice"),
        ("x" * 10_000, "too long"),
        ("", "no p="),
    ],
)
def test_what_is_no_key_says_why(record: str, detail: str) -> None:
    with pytest.raises(Unusable, match=detail):
        parse_key(record)


def test_a_key_of_another_kind_is_none() -> None:
    public = generate_private_key(SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Unusable, match="a key of type"):
        parse_key(f"p={b64encode(der).decode()}")


@pytest.mark.parametrize("exponent", [3, 65_537, (1 << 64) + 13])
@pytest.mark.parametrize("modulus", [(1 << 1024) - 1, 1 << 1023, (1 << 2048) - 105])
def test_odd_numbers_in_a_key_verify_nothing(exponent: int, modulus: int) -> None:
    try:
        public = RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return  # then a record with it is refused as well
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = read_key(f"p={b64encode(der).decode()}")
    assert isinstance(key, Unusable) or not key.verifies(b"\1" * (key.bits // 8), DIGEST)


@given(st.text(max_size=200) | st.binary(max_size=120).map(lambda b: f"p={b64encode(b).decode()}"))
def test_no_record_raises(record: str) -> None:
    assert isinstance(read_key(record), Key | Unusable)


def test_the_cache_remembers_and_forgets_the_oldest() -> None:
    cache = KeyCache(entries=2)
    first = cache.get(RECORD)
    assert cache.get(RECORD) is first
    assert isinstance(cache.get("v=spf1"), Unusable)
    assert cache.get("v=spf1") is cache.get("v=spf1")
    assert cache.get(RECORD) is first
    cache.get(txt_record(ED))
    assert len(cache) == 2
    assert cache.get(RECORD) is first
    assert isinstance(first, Key)


@pytest.mark.parametrize("type_", KeyType)
def test_a_private_key_is_read_as_it_was_written(type_: KeyType) -> None:
    made = make_private_key(type_)
    assert txt_record(load_private_key(to_pem(made))) == txt_record(made)
    assert txt_record(made).startswith(f"v=DKIM1; k={type_}; p=")


def test_what_nobody_should_sign_with_is_refused() -> None:
    locked = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    curve = generate_private_key(SECP256R1())
    other = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for pem, why in ((b"", "PEM"), (b"junk", "PEM"), (locked, "password"), (other, "neither")):
        with pytest.raises(BadKey, match=why):
            load_private_key(pem)
