"""Who is never banned."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import Network
from mailweir_policy import Policy
from mailweir_policy.document import policy_from
from mailweir_ratelimit.policy.protected import Protected, Protection, Ranges, protect

four = st.builds(
    lambda number, prefix: ip_network((number, prefix), strict=False),
    st.integers(0xC0000200, 0xC00003FF),
    st.integers(20, 32),
)
six = st.builds(
    lambda number, prefix: ip_network((number, prefix), strict=False),
    st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + 0xFFFF),
    st.integers(100, 128),
)
networks = st.lists(four | six, max_size=12)


def guarded(
    proxies: tuple[str, ...] = (), trusted: tuple[str, ...] = (), *allowed: str
) -> Protected:
    document = {"relay": {"proxy_networks": proxies, "trusted_networks": trusted}}
    return protect(policy_from(document), tuple(map(ip_network, allowed)))


@given(networks, four | six)
def test_overlaps_as_one_by_one(nets: list[Network], asked: Network) -> None:
    same = [net for net in nets if net.version == asked.version]
    assert Ranges(nets).overlaps(asked) == any(net.overlaps(asked) for net in same)


@given(networks, four | six)
def test_holds_as_one_by_one(nets: list[Network], asked: Network) -> None:
    address = asked.network_address
    assert (address in Ranges(nets)) == any(address in net for net in nets)


def test_ranges_of_nothing_hold_nothing() -> None:
    assert not Ranges(()).overlaps(ip_network("0.0.0.0/0"))
    assert ip_address("::1") not in Ranges(())


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("203.0.113.1", Protection.PROXY),
        ("198.51.100.9", Protection.TRUSTED),
        ("127.0.0.5", Protection.NEVER),
        ("::1", Protection.NEVER),
        ("10.1.2.3", Protection.INTERNAL),
        ("fd00::1", Protection.INTERNAL),
        ("100.64.0.1", Protection.INTERNAL),
        ("192.0.2.77", Protection.ALLOWED),
        ("192.0.2.78", None),
        ("2001:db8::1", None),
    ],
)
def test_who_is_protected_and_why(address: str, why: Protection | None) -> None:
    found = guarded(("203.0.113.0/28",), ("198.51.100.0/24",), "192.0.2.77/32")
    assert found.of(ip_address(address)) is why


def test_private_clients_may_be_banned_where_there_is_no_proxy() -> None:
    assert guarded().of(ip_address("10.1.2.3")) is None
    assert protect(Policy()).of(ip_address("192.168.1.1")) is None


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("203.0.113.0/24", "203.0.113.0/28 is a proxy of ours"),
        ("198.51.100.7/32", "198.51.100.0/24 is a trusted network"),
        ("127.0.0.0/8", "never to be banned"),
        ("192.0.2.77/32", "on an allow list"),
    ],
)
def test_a_ban_by_hand_is_refused_with_a_sentence(network: str, words: str) -> None:
    found = guarded(("203.0.113.0/28",), ("198.51.100.0/24",), "192.0.2.77/32")
    sentence = found.refusal(ip_network(network))
    assert sentence.startswith(f"{network} is not banned: ")
    assert words in sentence


@pytest.mark.parametrize("network", ["192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32"])
def test_a_ban_by_hand_may_hold_allowed_addresses_and_private_ones(network: str) -> None:
    found = guarded(("203.0.113.0/28",), ("198.51.100.0/24",), "192.0.2.77/32")
    assert found.refusal(ip_network(network)) == ""


@given(networks, four | six, st.integers(0, 2**20))
def test_what_is_carved_out_is_exactly_what_is_allowed(
    nets: list[Network], banned: Network, offset: int
) -> None:
    left = protect(Policy(), nets).carve(banned)
    address = banned[offset % min(banned.num_addresses, 2**20)]
    allowed = any(address in net for net in nets)
    assert any(address in part for part in left) != allowed
    assert all(part.subnet_of(banned) for part in left if part.version == banned.version)  # type: ignore[arg-type]
    assert left == sorted(left, key=lambda part: part.network_address)


def test_internal_networks_are_not_carved_out() -> None:
    found = guarded(("203.0.113.0/28",))
    assert found.carve(ip_network("10.0.0.0/8")) == [ip_network("10.0.0.0/8")]
    assert found.carve(ip_network("203.0.113.0/28")) == []
    assert found.carve(ip_network("203.0.113.0/27")) == [ip_network("203.0.113.16/28")]


def test_neighbours_make_one_range() -> None:
    ranges = Ranges([ip_network("192.0.2.0/25"), ip_network("192.0.2.128/25")])
    assert ranges.overlaps(ip_network("192.0.0.0/16"))
    assert ip_address("192.0.2.128") in ranges
