"""Looking up who is banned: by network, by account, against a way that cannot be wrong."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import Ban, OffenceKind, ban_key
from mailweir_core.net import Address, Network, parse_ip
from mailweir_ingress.policy import banned
from mailweir_ingress.policy.banned import BanIndex, NetworkTable


def a_ban(subject: str, *, until: float = 0.0, since: float = 0.0) -> Ban:
    """Return a ban."""
    return Ban(subject, OffenceKind.MANUAL, "", since, until)


# Few bits, so that networks and addresses meet often.
V4 = st.builds(lambda n: IPv4Address(0xC0000200 + n), st.integers(0, 255))
V6 = st.builds(lambda n: IPv6Address(0x20010DB8 << 96 | n << 60), st.integers(0, 255))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Return a network with an address of these in it."""
    address = draw(st.one_of(V4, V6))
    prefix = draw(st.integers(20, 32) if address.version == 4 else st.integers(56, 72))
    return ip_network((address, prefix), strict=False)


CHANGES = st.lists(
    st.tuples(networks(), st.sampled_from(["put", "remove"]), st.integers(0, 20)), max_size=30
)


@given(CHANGES, st.lists(st.one_of(V4, V6), min_size=1, max_size=10), st.integers(0, 20))
def test_an_index_finds_what_looking_through_all_finds(
    changes: list[tuple[Network, str, int]], clients: list[Address], now: int
) -> None:
    index, bans = BanIndex(), dict[str, Ban]()
    for network, what, until in changes:
        key = ban_key(str(network))
        if what == "put":
            bans[key] = a_ban(str(network), until=float(until))
            assert index.put(key, bans[key])
        else:
            bans.pop(key, None)
            index.remove(key)
    assert len(index) == len(bans)
    for client in clients:
        right = [b for b in bans.values() if b.holds(now) and client in ip_network(b.subject)]
        found = index.of(client, now)
        assert (found in right) if right else (found is None)


@given(CHANGES)
def test_what_was_removed_leaves_nothing_behind(changes: list[tuple[Network, str, int]]) -> None:
    index = BanIndex()
    for network, _, until in changes:
        index.put(ban_key(str(network)), a_ban(str(network), until=float(until)))
    kept = index.keys()
    for key in kept:
        index.remove(key)
    assert len(index) == 0
    assert index._networks._by_shift == {4: {}, 6: {}}
    assert index._accounts == {}


def test_a_ban_ends_by_itself() -> None:
    index = BanIndex()
    index.put("a", a_ban("192.0.2.0/24", until=100.0))
    index.put("b", a_ban("account:anna", until=100.0))
    client = ip_address("192.0.2.7")
    assert index.of(client, 99.9) is not None
    assert index.of(client, 100.0) is None
    assert index.account("anna", 99.9) is not None
    assert index.account("anna", 100.0) is None
    index.drop_ended(99.0)
    assert len(index) == 2
    index.drop_ended(100.0)
    assert len(index) == 0


def test_an_account_is_no_network() -> None:
    index = BanIndex()
    index.put("a", a_ban("account:anna from 192.0.2.0/24"))
    assert index.account("anna from 192.0.2.0/24", 0) is not None
    assert index.account("anna", 0) is None
    assert index.of(ip_address("192.0.2.7"), 0) is None


@pytest.mark.parametrize("subject", ["::ffff:192.0.2.0/120", "192.0.2.0/24"])
def test_ipv4_in_ipv6s_notation_is_ipv4(subject: str) -> None:
    index = BanIndex()
    index.put("a", a_ban(subject))
    found = parse_ip("::ffff:192.0.2.9")
    assert found is not None
    assert index.of(found, 0) is not None
    other = ip_address("192.0.3.9")
    assert index.of(other, 0) is None


def test_a_network_of_ipv6_that_takes_in_the_mapped_ones_is_ipv6() -> None:
    table: NetworkTable[Ban] = NetworkTable()
    table.put("a", [IPv6Network("::/64")], a_ban("::/64"))
    assert table.of(ip_address("::1"), 0) is not None
    assert table.of(ip_address("192.0.2.1"), 0) is None


def test_two_may_hold_for_one_network() -> None:
    table: NetworkTable[Ban] = NetworkTable()
    network = IPv4Network("192.0.2.0/24")
    short, long = a_ban("192.0.2.0/24", until=5.0), a_ban("192.0.2.0/24", until=9.0)
    table.put("a", [network], short)
    table.put("b", [network], long)
    assert table.of(ip_address("192.0.2.1"), 4) is short
    assert table.of(ip_address("192.0.2.1"), 6) is long
    table.remove("b")
    assert table.of(ip_address("192.0.2.1"), 6) is None
    assert (len(table), table.keys()) == (1, ("a",))


def test_there_is_room_for_so_many_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banned, "MAX_BANS", 2)
    index = BanIndex()
    assert index.put("a", a_ban("192.0.2.1"))
    assert index.put("b", a_ban("192.0.2.2"))
    assert not index.put("c", a_ban("192.0.2.3"))
    assert index.put("b", a_ban("192.0.2.4"))  # in the place of another
    assert index.of(ip_address("192.0.2.2"), 0) is None
    assert index.of(ip_address("192.0.2.4"), 0) is not None
