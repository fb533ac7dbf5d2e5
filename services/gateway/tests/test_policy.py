"""The pure parts: keys, preconditions, strict JSON, accounts."""

import json
import math
import secrets
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.passwords import PasswordHash
from mailweir_gateway.policy.accounts import (
    Account,
    UnreadableAccount,
    bucket_key,
    decode,
    encode,
    is_login,
    is_sender,
)
from mailweir_gateway.policy.keys import digest, is_key, key_in, new_key, same
from mailweir_gateway.policy.preconditions import etag, is_precondition, matches
from mailweir_gateway.policy.strictjson import MAX_DEPTH, NotJson, decoded

KEY = "mw_" + "aB3-_" * 8 + "xyz"
HASH = PasswordHash(2**14, 8, 1, b"s" * 16, b"h" * 32)


# --- keys ------------------------------------------------------------------------------------------------


def test_a_new_key_is_a_key_and_no_two_are_the_same() -> None:
    made = {new_key(secrets.token_urlsafe) for _ in range(50)}
    assert len(made) == 50
    assert all(is_key(key) for key in made)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (f"Bearer {KEY}", KEY),
        (f"bearer   {KEY}  ", KEY),
        (f"BEARER {KEY}", KEY),
        (f"Bearer{KEY}", None),
        (f"Basic {KEY}", None),
        (f"Bearer {KEY}x", None),
        (f"Bearer {KEY[:-1]}", None),
        (f"Bearer {KEY} {KEY}", None),
        (f"Bearer {KEY}\n", KEY),
        (f"Bearer {KEY[:-1]}é", None),
        ("Bearer " + "x" * 10_000, None),
        (KEY, None),
        ("", None),
    ],
)
def test_a_key_in_a_header(header: str, key: str | None) -> None:
    assert key_in(header) == key


@given(st.text(max_size=100))
def test_a_digest_tells_keys_apart(other: str) -> None:
    assert same(digest(KEY), digest(KEY))
    assert same(digest(KEY), digest(other)) == (other == KEY)
    assert KEY not in digest(KEY)


# --- preconditions ---------------------------------------------------------------------------------------

VERSIONS = st.integers(1, 10**6).map(lambda n: f"v.{n}")


@given(VERSIONS, VERSIONS)
def test_a_version_matches_itself_alone(one: str, other: str) -> None:
    assert is_precondition(etag(one))
    assert matches(etag(one), other) == (one == other)
    assert not matches(f"W/{etag(one)}", one)
    assert matches(f'"x" , {etag(one)},W/"y"', one)


@given(st.text(max_size=60), VERSIONS)
def test_any_header_is_judged(header: str, version: str) -> None:
    is_precondition(header)
    if matches(header, version) and header.strip() != "*":
        assert etag(version) in header


@pytest.mark.parametrize("header", ["*", " * ", '"a"', 'W/"a"', '"a", "b"', '""', '"a,b"'])
def test_what_is_a_precondition(header: str) -> None:
    assert is_precondition(header)


@pytest.mark.parametrize(
    "header", ["", "a", '"a', 'a"', "*, *", '"a" "b"', ",", '"' + "x" * 2000 + '"']
)
def test_what_is_none(header: str) -> None:
    assert not is_precondition(header)


def test_without_a_version_nothing_matches() -> None:
    assert not matches("*", None)
    assert not matches('"v.1"', None)
    assert matches("*", "v.1")


# --- strict JSON -----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_json_is_read_as_usual(value: Any) -> None:
    assert decoded(json.dumps(value).encode()) == value
    assert decoded(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_not(data: bytes) -> None:
    try:
        value = decoded(data)
    except NotJson:
        return
    else:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(texts, values, values)
def test_a_name_that_stands_twice_is_refused(name: str, one: Any, other: Any) -> None:
    data = f"[{{{json.dumps(name)}: {json.dumps(one)}, {json.dumps(name)}: {json.dumps(other)}}}]"
    with pytest.raises(NotJson, match="twice"):
        decoded(data.encode())


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1])
def test_depth_up_to_the_bound(depth: int) -> None:
    assert decoded(b"[" * depth + b"]" * depth) is not None


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
def test_depth_beyond_it(depth: int) -> None:
    with pytest.raises(NotJson, match="deeply"):
        decoded(b"[" * depth + b"]" * depth)
    with pytest.raises(NotJson, match="deeply"):
        decoded(b'{"a":' * depth + b"1" + b"}" * depth)


def test_numbers_stay_what_they_are() -> None:
    assert decoded(b"[1, 1.0, 1e2, -0.0]") == [1, 1.0, 100.0, 0.0]
    assert isinstance(decoded(b"1"), int)
    assert math.copysign(1, decoded(b"-0.0")) == -1


# --- accounts --------------------------------------------------------------------------------------------


@given(st.text(max_size=100))
def test_keys_of_accounts_fit_the_bucket(login: str) -> None:
    if is_login(login):
        assert set(bucket_key(login)) <= set("abcdefghijklmnopqrstuvwxyz234567")
        assert bucket_key(login) == bucket_key(login.lower())


def test_logins_that_differ_have_keys_that_differ() -> None:
    names = ["a", "b", "ab", "a@b", "a@b.c", "ä", "日本"]
    assert len({bucket_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("login", ["", "a b", "a\tb", "a\0", "a/b", "a\\b", "x" * 255, "a\x7f"])
def test_what_is_no_login(login: str) -> None:
    assert not is_login(login)


@pytest.mark.parametrize(
    ("sender", "good"),
    [
        ("a@b", True), ("@example.com", True), ("a.b+c@example.com", True), ("a", False), ("a@", False),
        ("", False), ("a@b@c", False), ("a b@c", False), ("a@b c", False), ("x" * 65 + "@b", False),
        ("a@" + "x" * 254, False), ("a\0@b", False),
    ],
)  # fmt: skip
def test_what_is_a_sender(sender: str, good: bool) -> None:
    assert is_sender(sender) == good


def test_an_account_there_and_back() -> None:
    account = Account("bob@example.com", HASH, ("bob@example.com", "@example.org"), disabled=True)
    assert decode(encode(account)) == account


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"[]", b"null", b"{}", b'{"login": "a"}', b'{"login": "a", "scrypt": {}}', b"\xff"],
)
def test_what_is_no_account(data: bytes) -> None:
    with pytest.raises(UnreadableAccount):
        decode(data)
