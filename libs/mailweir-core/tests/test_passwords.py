import dataclasses
import hashlib

import pytest

from mailweir_core.passwords import (
    MAX_PASSWORD_BYTES,
    PasswordHash,
    decoy,
    hash_password,
    verify,
)

CHEAP = PasswordHash(
    n=16,
    r=1,
    p=1,
    salt=b"8 octets",
    hash=hashlib.scrypt(b"right", salt=b"8 octets", n=16, r=1, p=1),
)


def test_a_new_hash_accepts_its_password_and_no_other() -> None:
    stored = hash_password("correct horse")
    assert verify("correct horse", stored)
    assert not verify("correct horse ", stored)
    assert not verify("", stored)


def test_each_hash_has_its_own_salt() -> None:
    assert hash_password("same").salt != hash_password("same").salt


def test_a_given_salt_makes_the_hash_repeatable() -> None:
    assert hash_password("same", b"0123456789abcdef") == hash_password("same", b"0123456789abcdef")


def test_the_parameters_kept_with_a_hash_are_those_it_is_checked_by() -> None:
    derived = hashlib.scrypt(b"password", salt=b"NaClNaCl", n=1024, r=8, p=4, dklen=64)
    assert verify("password", PasswordHash(1024, 8, 4, b"NaClNaCl", derived))
    assert not verify("password", PasswordHash(1024, 8, 3, b"NaClNaCl", derived))


def test_the_stored_form_round_trips() -> None:
    assert PasswordHash.from_dict(CHEAP.to_dict()) == CHEAP
    assert set(CHEAP.to_dict()) == {"n", "r", "p", "salt", "hash"}


@pytest.mark.parametrize("password", ["", "x" * (MAX_PASSWORD_BYTES + 1)])
def test_a_password_that_could_never_be_accepted_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="1 to 1024 bytes"):
        hash_password(password)
    assert not verify(password, CHEAP)


def test_octets_that_are_no_text_verify_as_wrong() -> None:
    assert not verify("\udcff", CHEAP)


def test_an_empty_password_is_never_right_even_where_its_hash_is_stored() -> None:
    derived = hashlib.scrypt(b"", salt=b"8 octets", n=16, r=1, p=1)
    assert not verify("", dataclasses.replace(CHEAP, hash=derived))


def test_no_password_has_the_decoy() -> None:
    assert not verify("right", decoy())
    assert decoy() != decoy()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0), ("n", 1), ("n", 1000), ("n", 2**18), ("n", -16), ("n", True), ("n", "16"),
        ("r", 0), ("r", 17), ("p", 0), ("p", 5), ("p", None),
        ("salt", ""), ("salt", "AAAA"), ("salt", "not base64!"), ("salt", 7), ("salt", "A" * 4096),
        ("hash", ""), ("hash", "AAAA"), ("hash", None),
    ],
)  # fmt: skip
def test_a_stored_form_that_is_wrong_or_would_cost_too_much_is_refused(
    field: str, value: object
) -> None:
    with pytest.raises(ValueError, match=r"must be|has a wrong length"):
        PasswordHash.from_dict({**CHEAP.to_dict(), field: value})


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        PasswordHash.from_dict({"n": 16, "r": 1, "p": 1})
