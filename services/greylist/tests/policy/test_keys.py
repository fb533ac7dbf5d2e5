"""What stands for client, sender and recipient."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_core.client import ClientFacts
from mailweir_core.record import Listener, Session
from mailweir_greylist.policy.entry import Kind, key_of
from mailweir_greylist.policy.keys import (
    client_key,
    identity,
    mark_key,
    names_address,
    network,
    triplets,
)
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.bus.matching import check_key

Ask = Callable[..., Question]


@pytest.mark.parametrize(
    ("facts", "stands"),
    [
        ({}, "192.0.2.0/24"),
        ({"ip": "2001:db8:1:2:3::4"}, "2001:db8:1:2::/64"),
        ({"ip": "::ffff:192.0.2.9"}, "192.0.2.0/24"),
        ({"ip": "not an address"}, "not an address"),
        ({"host": "mx7.mail.example.co.uk"}, "host:example.co.uk"),
        ({"host": "mx.example.net."}, "host:example.net"),
        ({"host": "co.uk"}, "192.0.2.0/24"),  # a public suffix has no owner
        ({"host": "7.2.0.192.dyn.example.net"}, "192.0.2.0/24"),
        ({"host": "ip-192-0-2-7.example.net"}, "192.0.2.0/24"),
        ({"spf": "pass", "spf_domain": "Example.NET", "host": "mx.example.org"}, "spf:example.net"),
        ({"spf": "softfail", "spf_domain": "example.net"}, "192.0.2.0/24"),
        ({"spf": "pass", "spf_domain": ""}, "192.0.2.0/24"),
    ],
)
def test_what_stands_for_a_client(ask: Ask, facts: dict[str, str], stands: str) -> None:
    assert identity(ask(**facts)) == stands


@pytest.mark.parametrize(
    ("host", "address", "made"),
    [
        ("host7.example.net", "192.0.2.7", False),
        ("mx2.example.net", "192.0.2.7", False),
        ("7-2-0-192.adsl.example.net", "192.0.2.7", True),
        ("c0000207.dyn.example.net", "192.0.2.7", True),
        ("cust207.example.net", "192.0.2.7", False),
        ("192000002007.example.net", "192.0.2.7", True),
        ("2001-db8--7f3a.dyn.example.net", "2001:db8::7f3a", True),
        ("mail.example.net", "2001:db8::7f3a", False),
    ],
)
def test_a_name_made_of_the_address(host: str, address: str, made: bool) -> None:
    assert names_address(host, ip_address(address)) is made


def parts(question: Question, **policy: str) -> tuple[str, str, str]:
    (about,) = triplets(question, GreylistPolicy.model_validate(policy))
    return about.client, about.sender, about.recipient


def test_the_parts_by_mode(ask: Ask) -> None:
    question = ask("Ann+x@Example.net", "Bob@Example.com", helo="MX.example.net")
    net, sender, to = "192.0.2.0/24", "ann@example.net", "bob@example.com"
    assert parts(question) == (net, sender, to)
    assert parts(question, mode="sender") == ("", sender, to)
    assert parts(question, mode="ip") == (net, "", to)
    assert parts(question, mode="sender-ip") == (net, sender, to)
    assert parts(question, mode="ip-helo") == (f"{net} mx.example.net", "", to)


def test_with_spf_the_sender_is_its_domain(ask: Ask) -> None:
    question = ask("Ann@Mail.Example.net", spf="pass", spf_domain="mail.example.net")
    assert parts(question) == ("spf:mail.example.net", "@mail.example.net", "bob@example.com")


def test_the_owner_may_be_the_domain(ask: Ask) -> None:
    assert parts(ask("a@b.c", "x@Example.com"), owner="domain")[2] == "@example.com"


def test_keys_of_different_kinds_and_parts_differ(ask: Ask) -> None:
    keys = {
        client_key("a"), mark_key("a"), client_key("b"),
        key_of(Kind.TRIPLET, "a", "b", "c"), key_of(Kind.TRIPLET, "ab", "", "c"),
        key_of(Kind.TRIPLET, "a", "", "bc"), key_of(Kind.TRIPLET, "", "a", "bc"),
    }  # fmt: skip
    assert len(keys) == 7


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_key_is_one_that_the_bus_takes(sender: str, recipient: str) -> None:
    for key in (key_of(Kind.TRIPLET, sender, recipient), mark_key(sender)):
        assert check_key(key) == key
        assert len(key) == 32


@given(st.integers(0, 255))
def test_hosts_of_a_network_are_one_client(last: int) -> None:
    session = Session("s", Listener.MX, f"198.51.100.{last}")
    assert network(Question(session, ClientFacts(), "a@b.c", ())) == "198.51.100.0/24"
