"""What clients greet with."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.asking import drive
from mailweir_core.client import ClientFacts
from mailweir_core.dns import DnsQuestion, RecordType
from mailweir_policy import Policy
from mailweir_reputation.policy.names.findings import HELO_UNKNOWN, of_greeting
from mailweir_reputation.policy.names.greeting import GreetingKind, find_greeting, read_greeting
from mailweir_testkit.zones import Zones

CLIENT = "203.0.113.7"
TABLE: dict[str, Any] = {
    "mx.example.org": {"A": [CLIENT]},
    "near.example.org": {"A": ["203.0.113.99"]},
    "far.example.org": {"A": ["198.51.100.1"]},
    "six.example.org": {"AAAA": ["2001:db8::1"]},
    "both.example.org": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:7::1"]},
    "only-mx.example.org": {"MX": ["10 mx.example.org"]},
    "empty.example.org": {"TXT": ["x"]},
    "sick.example.org": "SERVFAIL",
    "half.example.org": {"A": "TIMEOUT"},
    "sick-mx.example.org": {"TXT": ["x"], "MX": "TIMEOUT"},
    "us.example": {"A": ["192.0.2.1"]},
}
POLICY = Policy.model_validate({"identity": {"hostname": "us.example"}})


def signals(helo: str, client: str = CLIENT, **known: Any) -> list[str]:
    greeting = drive(find_greeting(helo), Zones(TABLE).answer)
    found = of_greeting(greeting, ip_address(client), ClientFacts(**known), POLICY)
    return [signal.name for signal in found.signals]


@pytest.mark.parametrize(
    ("helo", "found"),
    [
        ("mx.example.org", []),
        ("MX.Example.ORG.", []),
        (f"[{CLIENT}]", []),
        ("near.example.org", []),  # another address of the same network
        ("only-mx.example.org", []),
        ("six.example.org", []),  # it may have an address that is not told to us
        ("sick.example.org", []),
        ("half.example.org", []),
        ("sick-mx.example.org", []),
        ("localhost", ["HELO_NOT_FQDN"]),
        ("WIN-0815", ["HELO_NOT_FQDN"]),
        (CLIENT, ["HELO_NOT_FQDN"]),
        ("2001:db8::1", ["HELO_NOT_FQDN"]),
        ("[10.0.0.5]", ["HELO_NOT_FQDN"]),
        ("[nonsense]", ["HELO_NOT_FQDN"]),
        ("a..b", ["HELO_NOT_FQDN"]),
        ("x.123", ["HELO_NOT_FQDN"]),
        ("missing.example.org", ["HELO_UNKNOWN"]),
        ("empty.example.org", ["HELO_UNKNOWN"]),
        ("far.example.org", ["HELO_LIES"]),
        ("[198.51.100.1]", ["HELO_LIES"]),
        ("[IPv6:2001:db8::9]", ["HELO_LIES"]),
        ("us.example", ["HELO_LIES"]),
    ],
)
def test_greetings(helo: str, found: list[str]) -> None:
    assert signals(helo) == found


def test_a_literal_of_ipv6() -> None:
    assert signals("[IPv6:2001:db8::1]", "2001:db8::1") == []
    assert signals("both.example.org", "2001:db8:7:0:9::1") == []
    assert signals("both.example.org", "2001:db8:8::1") == ["HELO_LIES"]
    assert signals("far.example.org", "2001:db8:8::1") == []


def test_a_name_of_the_same_owner_is_no_lie() -> None:
    assert signals("far.example.org", host="out7.example.org") == []
    assert signals("far.example.org", host="out7.other.example") == ["HELO_LIES"]
    assert signals("far.example.org", spf="pass", spf_domain="example.org") == []


def test_who_hides_behind_silence_is_not_suspect() -> None:
    for helo in ("sick.example.org", "half.example.org", "sick-mx.example.org"):
        greeting = drive(find_greeting(helo), Zones(TABLE).answer)
        found = of_greeting(greeting, ip_address(CLIENT), ClientFacts(), POLICY)
        assert (found.signals, found.failed) == ((), HELO_UNKNOWN)


def test_it_takes_one_round_where_there_is_an_address() -> None:
    zones = Zones(TABLE)
    drive(find_greeting("mx.example.org"), zones.answer)
    assert zones.asked == [
        DnsQuestion("mx.example.org", t) for t in (RecordType.A, RecordType.AAAA)
    ]


@given(st.text(max_size=400))
def test_no_greeting_raises(helo: str) -> None:
    greeting = read_greeting(helo)
    assert greeting.kind in GreetingKind
    of_greeting(greeting, ip_address(CLIENT), ClientFacts(), POLICY)
