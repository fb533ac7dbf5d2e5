"""Addresses and networks."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import (
    Network,
    NetworkSet,
    client_network,
    is_public,
    joined,
    parse_ip,
    parse_network,
)

addresses = st.ip_addresses()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", IPv4Address("192.0.2.1")),
        ("2001:db8::1", IPv6Address("2001:db8::1")),
        ("::ffff:192.0.2.1", IPv4Address("192.0.2.1")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
    ],
)
def test_reads_an_address(text: str, expected: IPv4Address | IPv6Address) -> None:
    assert parse_ip(text) == expected


@pytest.mark.parametrize(
    "text", ["", "192.0.2", "192.0.2.256", "192.0.2.01", "0x7f.1", "host", "192.0.2.1/32", " ::1"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_ip(text) is None


@given(st.text(st.characters()))
def test_no_text_raises(text: str) -> None:
    found = parse_ip(text)
    assert found is None or isinstance(found, IPv4Address | IPv6Address)


@given(addresses)
def test_every_address_reads_back(address: IPv4Address | IPv6Address) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    assert parse_ip(str(address)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_reads_a_network(text: str, expected: str) -> None:
    assert parse_network(text) == ip_network(expected)


@pytest.mark.parametrize("text", ["", "192.0.2.1/24", "192.0.2.0/33", "host", "192.0.2.0-5"])
def test_what_is_no_network_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_network(text)


def test_host_bits_are_named() -> None:
    with pytest.raises(ValueError, match="host bits"):
        parse_network("10.0.0.1/8")


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")],
)
def test_one_client_is_a_network(address: str, network: str) -> None:
    assert client_network(ip_address(address)) == ip_network(network)


def test_membership() -> None:
    networks = NetworkSet(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", ip_network("0.0.0.0/32")])

    assert IPv4Address("10.255.0.1") in networks
    assert IPv4Address("192.0.2.7") in networks
    assert IPv6Address("2001:db8::5") in networks
    assert IPv4Address("0.0.0.0") in networks
    assert IPv4Address("11.0.0.0") not in networks
    assert IPv4Address("192.0.2.8") not in networks
    assert IPv6Address("::a00:1") not in networks  # the number of 10.0.0.1, but another version
    assert "10.0.0.1" not in networks  # text is no address


def test_a_mapped_address_is_the_same_client() -> None:
    assert IPv6Address("::ffff:10.0.0.1") in NetworkSet(["10.0.0.0/8"])


def test_everything_and_nothing() -> None:
    assert not NetworkSet()
    assert IPv4Address("127.0.0.1") not in NetworkSet()
    everything = NetworkSet(["0.0.0.0/0", "::/0"])
    assert everything
    assert IPv4Address("203.0.113.1") in everything
    assert IPv6Address("2001:db8::") in everything


@pytest.mark.parametrize("text", ["10.0.0.1/8", "x"])
def test_a_wrong_network_in_a_set_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        NetworkSet(["10.0.0.0/8", text])


@given(st.lists(st.tuples(addresses, st.integers(0, 32)), max_size=8), addresses)
def test_membership_agrees_with_the_standard_library(
    items: list[tuple[IPv4Address | IPv6Address, int]], address: IPv4Address | IPv6Address
) -> None:
    networks = [ip_network((one, prefix), strict=False) for one, prefix in items]
    plain = getattr(address, "ipv4_mapped", None) or address

    assert (address in NetworkSet(networks)) == any(plain in network for network in networks)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("192.0.2.1", True),
        ("203.0.113.9", True),
        ("2001:db8::1", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.1.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
    ],
)
def test_who_may_be_a_stranger(text: str, public: bool) -> None:
    assert is_public(ip_address(text)) is public


some_networks = st.lists(
    st.builds(
        lambda number, prefix: ip_network((number, prefix), strict=False),
        st.integers(0xC0000200, 0xC000021F) | st.sampled_from([0, 2**32 - 1]),
        st.integers(24, 32),
    )
    | st.builds(
        lambda number, prefix: ip_network((number, prefix), strict=False),
        st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + 31) | st.just(2**128 - 1),
        st.integers(120, 128),
    ),
    max_size=20,
)


@given(some_networks)
def test_joined_is_what_the_standard_library_makes(networks: list[Network]) -> None:
    four = collapse_addresses(net for net in networks if isinstance(net, IPv4Network))
    six = collapse_addresses(net for net in networks if isinstance(net, IPv6Network))
    assert joined(networks) == [*four, *six]


def test_what_has_nothing_to_do_with_each_other_is_only_sorted() -> None:
    networks = [ip_network((number * 512, 24)) for number in range(20_000)]
    assert joined(reversed(networks)) == networks
    assert joined(()) == []
