"""The names of a client that lead back to it (RFC 8601 §3)."""

from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.net import parse_ip
from mailweir_mail.auth.iprev import MAX_NAMES, IprevResult, IprevStatus, check
from mailweir_testkit.zones import Zones

REVERSE = "1.2.0.192.in-addr.arpa"


def iprev(table: dict[str, Any], ip: str = "192.0.2.1") -> IprevResult:
    address = parse_ip(ip)
    assert address is not None
    return drive(check(address), Zones(table).answer)


@pytest.mark.parametrize(
    ("table", "result", "name"),
    [
        (
            {REVERSE: {"PTR": ["a.example"]}, "a.example": {"A": ["192.0.2.1"]}},
            IprevStatus.PASS,
            "a.example",
        ),
        (
            {REVERSE: {"PTR": ["A.example."]}, "a.example": {"A": ["192.0.2.9"]}},
            IprevStatus.FAIL,
            "",
        ),
        ({REVERSE: {"PTR": ["a.example"]}}, IprevStatus.FAIL, ""),
        ({REVERSE: {"PTR": ["a.example"]}, "a.example": "TIMEOUT"}, IprevStatus.TEMPERROR, ""),
        ({REVERSE: "SERVFAIL"}, IprevStatus.TEMPERROR, ""),
        ({REVERSE: {"PTR": ["a..example"]}}, IprevStatus.PERMERROR, ""),
        ({}, IprevStatus.FAIL, ""),
    ],
)
def test_results(table: dict[str, Any], result: IprevStatus, name: str) -> None:
    found = iprev(table)
    assert (found.result, found.name) == (result, name)


def test_one_of_several_names_is_enough() -> None:
    table = {REVERSE: {"PTR": ["b.example", "slow.example", "a.example"]},
             "a.example": {"A": ["192.0.2.7", "192.0.2.1"]}, "slow.example": "TIMEOUT"}  # fmt: skip
    found = iprev(table)
    assert found.names == ("a.example",)
    assert found.claimed == ("b.example", "slow.example", "a.example")


def test_ipv6() -> None:
    table = {"1.0.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2.ip6.arpa": {"PTR": ["a.example"]},
             "a.example": {"AAAA": ["2001:DB8::1"], "A": "TIMEOUT"}}  # fmt: skip
    assert iprev(table, "2001:db8::1").result is IprevStatus.PASS


def test_names_are_limited() -> None:
    zones = Zones({REVERSE: {"PTR": [f"n{n}.example" for n in range(200)]}})
    address = parse_ip("192.0.2.1")
    assert address is not None
    assert drive(check(address), zones.answer).result is IprevStatus.FAIL
    assert len(zones.asked) == 1 + MAX_NAMES
