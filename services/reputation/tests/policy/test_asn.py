"""Autonomous systems by prefix."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import Address, Network
from mailweir_reputation.policy.asn import AsnTable

TABLE = AsnTable(
    (ip_network(prefix), asn)
    for prefix, asn in [
        ("198.51.0.0/16", 1), ("198.51.100.0/24", 2), ("198.51.100.128/25", 3),
        ("2001:db8::/32", 4), ("2001:db8:1::/48", 5), ("255.255.255.0/24", 6),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "asn"),
    [
        ("198.50.255.255", 0),
        ("198.51.0.0", 1),
        ("198.51.100.0", 2),
        ("198.51.100.127", 2),
        ("198.51.100.128", 3),
        ("198.51.100.255", 3),
        ("198.51.101.0", 1),
        ("198.52.0.0", 0),
        ("255.255.255.255", 6),
        ("0.0.0.0", 0),
        ("2001:db8::1", 4),
        ("2001:db8:1:ffff::1", 5),
        ("2001:db8:2::1", 4),
        ("2001:db9::1", 0),
    ],
)
def test_the_longest_prefix_holds(address: str, asn: int) -> None:
    assert TABLE.of(ip_address(address)) == asn


def test_an_empty_table_knows_nobody() -> None:
    assert AsnTable().of(ip_address("192.0.2.1")) == 0
    assert len(AsnTable()) == 0


def test_prefixes_longer_than_a_network_of_ipv6_are_left_out() -> None:
    table = AsnTable([(ip_network("2001:db8::/65"), 7)])
    assert table.of(ip_address("2001:db8::1")) == 0


_NETWORKS = st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
    lambda pair: ip_network((0xC0000200 | (pair[0] >> (32 - pair[1]) << (32 - pair[1])), pair[1]))
)


@given(st.lists(st.tuples(_NETWORKS, st.integers(1, 5))), st.integers(0, 255))
def test_it_finds_what_a_search_finds(prefixes: list[tuple[Network, int]], last: int) -> None:
    address: Address = ip_address(0xC0000200 | last)
    table = AsnTable(prefixes)
    held = dict(prefixes)  # of two equal prefixes the later holds
    around = sorted((n for n in held if address in n), key=lambda n: n.prefixlen)
    assert table.of(address) == (held[around[-1]] if around else 0)
    assert table.of(ip_address(0xC0000200 - 1)) == 0
    assert table.of(ip_address(0xC0000300)) == 0
