"""The copy of all bans at hand."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import Ban, OffenceKind, ban_key
from mailweir_core.net import parse_network
from mailweir_ratelimit.book import BanBook

NOW = 1_750_000_000.0
BAN = Ban("192.0.2.5/32", OffenceKind.UNKNOWN_USER, "5 × unknown recipient", NOW, NOW + 100)
SUBJECTS = (
    "192.0.2.5/32", "192.0.2.0/24", "198.51.100.0/25", "2001:db8::/64", "2001:db8::/56",
    "account:bob@example.com",
)  # fmt: skip


def book(*subjects: str) -> BanBook:
    return BanBook(replace(BAN, subject=subject) for subject in subjects)


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.5", "192.0.2.0/24"),
        ("198.51.100.127", "198.51.100.0/25"),
        ("2001:db8::1:0:0:1", "2001:db8::/56"),
        ("198.51.100.128", None),
        ("2001:db9::1", None),
    ],
)
def test_an_address_falls_under_the_widest_ban(address: str, subject: str | None) -> None:
    found = book(*SUBJECTS).of(ip_address(address), NOW)
    assert (found and found.subject) == subject


def test_a_ban_that_has_ended_does_not_hold_and_is_dropped() -> None:
    bans = BanBook([BAN, replace(BAN, subject="192.0.2.6/32", until=0.0)])
    assert bans.of(ip_address("192.0.2.5"), NOW + 100) is None
    assert [b.subject for b in bans.in_force(NOW + 100)] == ["192.0.2.6/32"]
    bans.drop_ended(NOW + 100)
    assert len(bans) == 1


def test_a_narrow_ban_holds_when_the_wide_one_has_ended() -> None:
    bans = BanBook([replace(BAN, until=NOW + 500), replace(BAN, subject="192.0.2.0/24")])
    found = bans.of(ip_address("192.0.2.5"), NOW + 200)
    assert found is not None
    assert found.subject == "192.0.2.5/32"


@given(st.lists(st.sampled_from(SUBJECTS)), st.lists(st.sampled_from(SUBJECTS)))
def test_what_is_removed_is_gone(put: list[str], removed: list[str]) -> None:
    bans = book(*put)
    for subject in removed:
        bans.remove(ban_key(subject))
    left = sorted(set(put) - set(removed))
    assert [ban.subject for ban in bans.page(NOW, "", "", 100)] == left
    for subject in set(SUBJECTS[:-1]):
        address = parse_network(subject).network_address
        expected = any(address in parse_network(s) for s in left if not s.startswith("account:"))
        assert (bans.of(address, NOW) is not None) == expected


def test_bans_are_found_by_what_people_know_of_them() -> None:
    bans = BanBook([BAN, replace(BAN, subject="account:Bob@example.com", by="eve@example.org")])
    assert [b.subject for b in bans.page(NOW, "BOB@", "", 9)] == ["account:Bob@example.com"]
    assert [b.subject for b in bans.page(NOW, "eve@", "", 9)] == ["account:Bob@example.com"]
    assert len(bans.page(NOW, "unknown-user", "", 9)) == 2
    assert bans.page(NOW, "moon", "", 9) == []


def test_a_page_begins_behind_a_subject_and_has_so_many() -> None:
    bans, subjects = book(*SUBJECTS), sorted(SUBJECTS)
    assert [b.subject for b in bans.page(NOW, "", "", 2)] == subjects[:2]
    assert [b.subject for b in bans.page(NOW, "", subjects[1], 2)] == subjects[2:4]
    assert bans.page(NOW, "", subjects[-1], 2) == []
    assert bans.page(NOW + 1000, "", "", 2) == []


def test_reconciling_forgets_what_went_unseen_and_nothing_newer() -> None:
    bans = book("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
    before = bans.copy()
    bans.put(replace(BAN, subject="192.0.2.3/32", strikes=2))  # seen while the store was read
    bans.put(replace(BAN, subject="192.0.2.4/32"))
    bans.reconcile(before, [replace(BAN, subject="192.0.2.1/32")])
    left = [ban.subject for ban in bans.page(NOW, "", "", 9)]
    assert left == ["192.0.2.1/32", "192.0.2.3/32", "192.0.2.4/32"]


def test_networks_and_accounts_are_counted_apart() -> None:
    bans = book(*SUBJECTS)
    assert bans.count(NOW, accounts=False) == 5
    assert bans.count(NOW, accounts=True) == 1
    assert bans.count(NOW + 1000, accounts=True) == 0
