"""By what a client and its mail are remembered."""

import re
from ipaddress import ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import Address
from mailweir_reputation.policy.history.keys import (
    Key,
    Kind,
    around,
    client_keys,
    helo_keys,
    pair_key,
    sender_keys,
    subject_keys,
)

V4 = ip_address("192.0.2.5")
V6 = ip_address("2001:db8:1:2345::1")


def texts(keys: tuple[Key, ...]) -> list[tuple[str, str]]:
    return [(key.kind, key.text) for key in keys]


def test_a_client_has_keys_from_close_to_wide() -> None:
    assert texts(client_keys(V4, 64500)) == [
        ("ip", "192.0.2.5"), ("net", "192.0.2.0/24"), ("asn", "64500"),
    ]  # fmt: skip
    assert texts(client_keys(V6)) == [
        ("ip", "2001:db8:1:2345::/64"), ("net", "2001:db8:1:2300::/56"), ("net", "2001:db8:1::/48"),
    ]  # fmt: skip


def test_a_whole_ipv6_network_of_a_subscriber_is_one_client() -> None:
    assert client_keys(V6) == client_keys(ip_address("2001:db8:1:2345:ffff::9"))


def test_a_network_of_ipv6_is_noted_in_the_wider_ones_around_it() -> None:
    own, *wider = client_keys(V6)
    assert around(own) == wider[0]
    assert around(wider[0]) == wider[1]
    assert around(wider[1]) is None
    assert all(around(key) is None for key in client_keys(V4, 64500))


def test_names_with_and_without_proof_share_nothing() -> None:
    proven = {key.stored for key in sender_keys("a@b.example", V4, proven=True)}
    claimed = {key.stored for key in sender_keys("a@b.example", V4, proven=False)}
    assert len(proven | claimed) == 4


def test_a_proven_sender_is_the_same_from_everywhere_and_a_claimed_one_is_not() -> None:
    elsewhere = ip_address("198.51.100.1")
    for proven in (True, False):
        here = sender_keys("A@B.example", V4, proven=proven)[0]
        there = sender_keys("a@b.example", elsewhere, proven=proven)[0]
        assert (here == there) is proven


@pytest.mark.parametrize("sender", ["", "postmaster", "a@"])
def test_the_null_sender_is_nobody(sender: str) -> None:
    assert sender_keys(sender, V4, proven=True) == ()


def test_helo_names_are_compared_in_lower_case_and_bounded() -> None:
    assert helo_keys("Mail.Example") == helo_keys("mail.example")
    assert len(helo_keys("x" * 5000)[0].text) == 255
    assert helo_keys("") == ()


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("192.0.2.5", [("ip", "192.0.2.5"), ("net", "192.0.2.0/24")]),
        ("192.0.2.0/24", [("net", "192.0.2.0/24")]),
        ("2001:db8::/64", [("ip", "2001:db8::/64")]),
        ("2001:db8::/56", [("net", "2001:db8::/56")]),
        ("AS64500", [("asn", "64500")]),
        ("A@B.example", [("sender", "a@b.example"), ("domain", "b.example"), ("domain", "b.example")]),
        ("B.example", [("domain", "b.example"), ("domain", "b.example"), ("helo", "b.example")]),
        ("192.0.2.1/24", []),
        ("", []),
        ("@", []),
    ],
)  # fmt: skip
def test_whom_one_may_ask_about(subject: str, expected: list[tuple[str, str]]) -> None:
    assert texts(subject_keys(subject)) == expected


@given(st.ip_addresses(), st.text(max_size=30))
def test_stored_keys_are_keys_of_a_bucket(address: object, sender: str) -> None:
    client: Address = ip_address(str(address))
    keys = [
        *client_keys(client, 1), *sender_keys(f"{sender}@b.example", client, proven=True),
        *helo_keys(sender),
    ]  # fmt: skip
    stored = [key.stored for key in keys]
    assert all(re.fullmatch(r"h\.[a-z]+\.[a-z2-7]{24}", key) for key in stored)
    assert len(set(stored)) == len(keys)
    assert Kind.HELO in {key.kind for key in keys} or not sender


def test_pairs_have_a_direction() -> None:
    there = pair_key("user@example.com", "friend@b.example")
    assert there == pair_key("User@Example.com", "FRIEND@b.example")
    assert there != pair_key("friend@b.example", "user@example.com")
    assert re.fullmatch(r"w\.[a-z2-7]{24}", there)
