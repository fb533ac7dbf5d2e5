"""Making signatures (RFC 6376 §5), and what another program thinks of them and we of its."""

import base64
import re
from dataclasses import replace
from itertools import product
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mailweir_mail.auth.dkim import Canon, DkimStatus, SigningKey, sign, txt_record
from mailweir_mail.auth.dkim.canonical import section
from mailweir_mail.auth.dkim.sign import names_to_sign

World = Any  # see conftest.py
PAIRS = list(product(Canon, Canon))
KINDS = ["rsa", "ed25519"]


def pem(key: SigningKey) -> bytes:
    """Return a private key as dkimpy wants it."""
    if isinstance(key.key, Ed25519PrivateKey):
        return base64.b64encode(key.key.private_bytes_raw())
    return key.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def by_dkimpy(key: SigningKey, message: bytes, **options: Any) -> bytes:
    """Return a message that dkimpy signed."""
    field: bytes = dkim.sign(
        message,
        key.selector.encode(),
        key.domain.encode(),
        pem(key),
        canonicalize=(str(key.header).encode(), str(key.body).encode()),
        signature_algorithm=key.algorithm.encode(),
        **options,
    )
    return field + message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("header", "body"), PAIRS)
def test_dkimpy_believes_what_we_sign(world: World, kind: str, header: Canon, body: Canon) -> None:
    key = replace(getattr(world, kind), header=header, body=body)
    signed = world.signed(key)
    assert dkim.verify(signed, dnsfunc=world.dkimpy_dns())
    assert world.one(signed).passed
    tampered = signed.replace(b"noon", b"once")
    assert not dkim.verify(tampered, dnsfunc=world.dkimpy_dns())
    assert not world.one(tampered).passed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("header", "body"), PAIRS)
@pytest.mark.parametrize("length", [False, True])
def test_we_believe_what_dkimpy_signs(
    world: World, kind: str, header: Canon, body: Canon, length: bool
) -> None:
    key = replace(getattr(world, kind), header=header, body=body)
    signed = by_dkimpy(key, world.message, length=length)
    result = world.one(signed, now=2e9)
    assert result.passed, result
    assert (result.signed_length is not None) is length
    assert result.covered_all
    assert not world.one(signed.replace(b"noon", b"once"), now=2e9).passed
    longer = world.one(signed + b"more\r\n", now=2e9)
    assert longer.passed is length
    if length:
        assert not longer.covered_all


def test_both_refuse_a_revoked_key(world: World) -> None:
    revoked = world.with_record("v=DKIM1; k=rsa; p=")
    signed = world.signed(world.rsa)
    assert world.one(signed, revoked).result is DkimStatus.PERMERROR
    assert not dkim.verify(signed, dnsfunc=world.dkimpy_dns(revoked))


def test_both_refuse_a_signature_that_has_expired(world: World) -> None:
    signed = sign(world.message, replace(world.rsa, expiry=60), 1e9) + world.message
    assert not dkim.verify(signed, dnsfunc=world.dkimpy_dns())
    assert world.one(signed).result is DkimStatus.FAIL
    assert world.one(signed, now=1e9).passed


def test_both_believe_each_of_several(world: World) -> None:
    signed = world.signed(
        world.rsa, world.signed(world.ed25519, by_dkimpy(world.rsa, world.message))
    )
    assert [r.passed for r in world.check(signed, now=2e9)] == [True] * 3
    for nth in range(3):
        assert dkim.DKIM(signed).verify(nth, dnsfunc=world.dkimpy_dns())


def test_the_field_is_folded_and_well_formed(world: World) -> None:
    for key in (world.rsa, replace(world.ed25519, domain="a" * 60 + ".example", expiry=7)):
        field = sign(world.message, key, world.now)
        assert field.startswith(b"DKIM-Signature: v=1; a=")
        assert field.endswith(b"\r\n")
        lines = field[:-2].split(b"\r\n")
        assert max(map(len, lines)) <= 78
        assert all(line.startswith(b"\t") for line in lines[1:])


def test_what_readers_see_is_signed_once_more_than_it_is_there(world: World) -> None:
    names = names_to_sign(section(world.message), world.rsa)
    assert names[:2] == (b"from", b"from")
    counts = {name: names.count(name) for name in names}
    assert (counts[b"subject"], counts[b"cc"], counts[b"message-id"]) == (2, 1, 1)
    assert b"received" not in counts
    assert b"list-id" not in counts


def test_more_fields_can_be_signed(world: World) -> None:
    key = replace(world.rsa, signed=("Received", "X-None"), oversigned=())
    assert names_to_sign(section(world.message), key) == (b"from", b"from", b"received")
    assert world.one(world.signed(key)).passed


def test_a_message_with_nothing_in_it_can_be_signed(world: World) -> None:
    for raw in (b"", b"\r\n", b"\r\nbody", b"A: b"):
        field = sign(raw, world.ed25519, world.now)
        assert world.one(field + raw if raw[:1] != b"A" else field + raw + b"\r\n\r\n").passed


def test_a_key_never_shows_itself(world: World) -> None:
    assert repr(world.rsa) == "SigningKey(r._domainkey.example.com, rsa-sha256)"
    assert not re.search(r"[A-Za-z0-9+/]{40}", repr(world.ed25519))
    assert "p=" in txt_record(world.rsa.key)
