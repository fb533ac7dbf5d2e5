"""The stored form of bans, and what they cover."""

import json
from dataclasses import asdict, replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import (
    CODES,
    MAX_EVIDENCE,
    Ban,
    OffenceKind,
    ban_key,
    ban_network,
    dump_ban,
    load_ban,
    networks_in_force,
    paused_login,
)

BAN = Ban("192.0.2.5/32", OffenceKind.UNKNOWN_USER, "5 recipients", 1000.0, 2000.0, 2, True)


def test_every_kind_has_a_letter_of_its_own() -> None:
    assert set(CODES) == set(OffenceKind)
    assert len(set(CODES.values())) == len(CODES)
    assert all(len(code) == 1 and code.isupper() for code in CODES.values())


@given(
    st.builds(
        Ban,
        subject=st.sampled_from(["192.0.2.5/32", "2001:db8::/64", "account:bob@example.com"]),
        kind=st.sampled_from(OffenceKind),
        evidence=st.text(max_size=MAX_EVIDENCE),
        since=st.floats(0, 1e12),
        until=st.floats(0, 1e12),
        strikes=st.integers(1, 1000),
        close_all=st.booleans(),
        by=st.text(max_size=50),
    )
)
def test_what_is_stored_is_read_again(ban: Ban) -> None:
    assert load_ban(dump_ban(ban)) == ban


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"subject": "192.0.2.5/24"},
        {"subject": "nobody"},
        {"subject": "account:" + "x" * 400},
        {"subject": 7},
        {"kind": "moon"},
        {"since": "now"},
        {"until": True},
        {"until": None},
        {"evidence": 5},
        {"by": None},
    ],
)
def test_what_is_no_ban_is_a_value_error(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for logs, not for programs
        load_ban(json.dumps({**asdict(BAN), **change}).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{}", b'{"until": Infinity}', b"\xff"])
def test_what_is_no_document_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for logs, not for programs
        load_ban(data)


def test_a_key_is_one_that_the_broker_takes() -> None:
    keys = {ban_key(text) for text in ("192.0.2.5/32", "account:bob@example.com", "2001:db8::/64")}
    assert len(keys) == 3
    assert all(key.isalnum() and key.islower() for key in keys)


def test_a_ban_holds_until_its_end_or_for_ever() -> None:
    assert BAN.holds(1999.9)
    assert not BAN.holds(2000.0)
    assert replace(BAN, until=0.0).holds(1e12)


def test_an_account_and_a_network_are_told_apart() -> None:
    assert BAN.account == ""
    assert replace(BAN, subject="account:bob@example.com").account == "bob@example.com"


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.5", "192.0.2.5/32"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64")],
)
def test_what_is_banned_of_a_client_at_first(address: str, network: str) -> None:
    assert ban_network(ip_address(address)) == ip_network(network)


def test_a_paused_login_names_where_from_and_collides_with_no_login() -> None:
    name = paused_login("Bob@Example.com", ip_address("192.0.2.5"))
    assert name == "bob@example.com from 192.0.2.5/32"
    assert load_ban(dump_ban(replace(BAN, subject=f"account:{name}"))).account == name


def test_networks_in_force_are_sorted_and_do_not_overlap() -> None:
    subjects = (
        "2001:db8::/64", "198.51.100.7/32", "192.0.2.5/32", "192.0.2.0/24", "account:a@example.com",
        "203.0.113.0/25", "203.0.113.128/25",
    )  # fmt: skip
    bans = [replace(BAN, subject=subject) for subject in subjects]
    over = replace(BAN, subject="192.0.3.1/32", until=1500.0)
    assert networks_in_force([*bans, over], 1600.0) == [
        ip_network("192.0.2.0/24"),
        ip_network("198.51.100.7/32"),
        ip_network("203.0.113.0/24"),
        ip_network("2001:db8::/64"),
    ]
