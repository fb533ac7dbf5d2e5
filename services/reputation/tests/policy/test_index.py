"""Which entries speak of a client or sender."""

from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_core.entries import ListEntry, make_entry
from mailweir_core.items import ItemKind, address_key, parse_item
from mailweir_core.net import Address
from mailweir_reputation.policy.index import EntryIndex, Match, index_of


def found(matches: Iterable[Match]) -> set[str]:
    return {match.row.item for match in matches}


def blocks(*items: str) -> EntryIndex:
    return index_of(make_entry("block", item) for item in items)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.5", {"192.0.2.0/24", "192.0.2.5", "192.0.2.3-192.0.2.9"}),
        ("192.0.2.9", {"192.0.2.0/24", "192.0.2.3-192.0.2.9"}),
        ("192.0.2.10", {"192.0.2.0/24"}),
        ("198.51.100.1", set()),
        ("2001:db8:1::1", {"2001:db8::/32"}),
        ("2001:db9::1", set()),
    ],
)
def test_by_address(address: str, expected: set[str]) -> None:
    index = blocks(
        "192.0.2.0/24", "192.0.2.5", "192.0.2.3-192.0.2.9", "2001:db8::/32", "host:a.example"
    )
    assert found(index.of_address(ip_address(address))) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.example.net", {"host:mail.example.net", "host:*.example.net"}),
        ("MAIL.example.net.", {"host:mail.example.net", "host:*.example.net"}),
        ("a.b.example.net", {"host:*.example.net"}),
        ("example.net", set()),  # a wildcard takes what is below
        ("notexample.net", set()),
        ("", set()),
    ],
)
def test_by_confirmed_name(name: str, expected: set[str]) -> None:
    index = blocks("host:mail.example.net", "host:*.example.net", "@example.net")
    assert found(index.of_host(name)) == expected


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("User@Example.com", {"user@example.com", "@example.com", "@.example.com"}),
        ("other@example.com", {"@example.com", "@.example.com"}),
        ("user@sub.example.com", {"@.example.com"}),
        ("user@a.sub.example.com", {"@.example.com"}),
        ("user@badexample.com", set()),
        ("user@bücher.example", {"@xn--bcher-kva.example"}),
        ("", set()),
        ("postmaster", set()),
    ],
)
def test_by_sender(sender: str, expected: set[str]) -> None:
    index = blocks(
        "user@example.com", "@example.com", "@.example.com", "@bücher.example", "host:example.com"
    )
    assert found(index.of_sender(sender)) == expected


def test_closer_entries_rank_higher() -> None:
    index = blocks("192.0.2.0/24", "192.0.0.0/16", "192.0.2.5")
    ranks = {m.row.item: m.rank for m in index.of_address(IPv4Address("192.0.2.5"))}
    assert ranks["192.0.2.5"] > ranks["192.0.2.0/24"] > ranks["192.0.0.0/16"]
    index = blocks("a@x.example.com", "@x.example.com", "@.x.example.com", "@.example.com")
    ranks = {m.row.item: m.rank for m in index.of_sender("a@x.example.com")}
    assert sorted(ranks, key=lambda item: -ranks[item]) == [
        "a@x.example.com", "@x.example.com", "@.x.example.com", "@.example.com",
    ]  # fmt: skip
    index = blocks("host:a.b.example.net", "host:*.b.example.net", "host:*.example.net")
    ranks = {m.row.item: m.rank for m in index.of_host("a.b.example.net")}
    assert ranks["host:a.b.example.net"] > ranks["host:*.b.example.net"]
    assert ranks["host:*.b.example.net"] > ranks["host:*.example.net"]


def test_only_what_a_sender_says_of_himself_is_by_name() -> None:
    index = blocks("192.0.2.5", "host:a.example", "@a.example")
    assert not any(m.by_name for m in index.of_address(IPv4Address("192.0.2.5")))
    assert not any(m.by_name for m in index.of_host("a.example"))
    assert all(m.by_name for m in index.of_sender("x@a.example"))


def test_a_changed_index_leaves_the_old_one_alone() -> None:
    old = blocks("192.0.2.5")
    (row,) = (match.row for match in old.of_address(IPv4Address("192.0.2.5")))
    new = old.changed({row.id: None, "x": make_entry("allow", "host:a.example", id="x")})
    assert found(old.of_address(IPv4Address("192.0.2.5"))) == {"192.0.2.5"}
    assert found(new.of_address(IPv4Address("192.0.2.5"))) == set()
    assert (len(old), len(new)) == (1, 1)
    assert (old.hosts_matter, new.hosts_matter) == (False, True)
    assert not new.changed({"x": None}).hosts_matter


def test_an_entry_that_changes_is_found_by_what_it_says_now() -> None:
    index = index_of([make_entry("block", "192.0.2.5", id="x")])
    index = index.changed({"x": make_entry("block", "a@b.example", id="x")})
    assert not found(index.of_address(IPv4Address("192.0.2.5")))
    assert found(index.of_sender("a@b.example")) == {"a@b.example"}
    assert index.get("x") is not None
    assert len(index) == 1


def test_several_owners_may_name_the_same() -> None:
    entries = [
        make_entry("block", "@spam.example", owner=owner)
        for owner in ("system", "domain:example.com", "user:a@example.com")
    ]
    index = index_of(entries)
    assert {m.row.id for m in index.of_sender("x@spam.example")} == {e.id for e in entries}
    index = index.changed({entries[1].id: None, entries[2].id: None, "never": None})
    assert {m.row.id for m in index.of_sender("x@spam.example")} == {entries[0].id}
    assert not list(index.changed({entries[0].id: None}).of_sender("x@spam.example"))


# --- against a search through all entries -----------------------------------------------------

_LABELS = st.sampled_from(["a", "b", "c"])
_NAMES = st.lists(_LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "x"]))
_ADDRESSES = st.integers(0, 63).map(lambda last: f"192.0.2.{last}") | st.integers(0, 15).map(
    lambda last: f"2001:db8::{last:x}"
)
_ITEMS = st.one_of(
    _ADDRESSES,
    st.tuples(st.integers(0, 63), st.integers(24, 32)).map(
        lambda pair: f"192.0.2.{pair[0] >> (32 - pair[1]) << (32 - pair[1])}/{pair[1]}"
    ),
    st.tuples(st.integers(0, 63), st.integers(0, 63)).map(
        lambda pair: f"192.0.2.{min(pair)}-192.0.2.{max(pair)}"
    ),
    _NAMES.map(lambda name: f"host:{name}"),
    _NAMES.map(lambda name: f"host:*.{name}"),
    _NAMES.map(lambda name: f"@{name}"),
    _NAMES.map(lambda name: f"@.{name}"),
    st.tuples(_LABELS, _NAMES).map("@".join),
)


def naive(entries: Iterable[ListEntry], address: Address, host: str, sender: str) -> set[str]:
    domain = address_key(sender).rpartition("@")[2]
    names = set()
    for entry in entries:
        item = parse_item(entry.item)
        below = {
            ItemKind.HOST: host.endswith(f".{item.name}"),
            ItemKind.DOMAIN: domain == item.name or domain.endswith(f".{item.name}"),
        }
        exact = {
            ItemKind.HOST: host == item.name,
            ItemKind.DOMAIN: domain == item.name,
            ItemKind.ADDRESS: sender == item.name,
            ItemKind.NETWORK: any(address in network for network in item.networks),
        }
        if below[item.kind] if item.below else exact[item.kind]:
            names.add(entry.id)
    return names


@given(st.lists(_ITEMS, max_size=30), st.lists(st.integers(0, 29)), _ADDRESSES, _NAMES, _NAMES)
def test_it_finds_what_a_search_finds(
    items: list[str], removed: list[int], address: str, host: str, domain: str
) -> None:
    entries = [make_entry("block", item, id=f"e{n}") for n, item in enumerate(items)]
    gone = {f"e{n}" for n in removed}
    index = index_of(entries).changed(dict.fromkeys(gone))
    client, sender = ip_address(address), f"a@{domain}"
    matches = [*index.of_address(client), *index.of_host(host), *index.of_sender(sender)]
    left = [entry for entry in entries if entry.id not in gone]
    assert {m.row.id for m in matches} == naive(left, client, host, sender)
    assert len(matches) == len({m.row.id for m in matches})
    assert len(index) == len(left)
    assert index.hosts_matter == any(entry.item.startswith("host:") for entry in left)
