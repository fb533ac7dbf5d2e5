"""Which of several entries holds."""

from ipaddress import IPv4Address
from typing import Final

import pytest
from hypothesis import given, strategies as st

from mailweir_core.client import ClientFacts
from mailweir_core.entries import EntryKind, ListEntry, make_entry
from mailweir_core.record import Listener, Session
from mailweir_reputation.policy.index import Match, index_of
from mailweir_reputation.policy.ruling import Claim, Ruling, claim_of, rule_for, rule_for_all

NOW: Final = 1_750_000_000.0
CLIENT: Final = IPv4Address("192.0.2.5")
SENDER: Final = "friend@sender.example"
RECIPIENT: Final = "user@example.com"
HOST: Final = "mail.sender.example"


def matches(*entries: ListEntry) -> list[Match]:
    index = index_of(entries)
    return [*index.of_address(CLIENT), *index.of_host(HOST), *index.of_sender(SENDER)]


def item_of(ruling: Ruling) -> str:
    return "" if ruling.row is None else f"{ruling.row.terms.kind} {ruling.row.item}"


def entry(text: str, **fields: object) -> ListEntry:
    kind, item, *owner = text.split()
    return make_entry(kind, item, owner=owner[0] if owner else "system", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entries", "holds"),
    [
        # the owner comes first
        (["block 192.0.2.5", "allow @sender.example user:user@example.com"], "allow @sender.example"),
        (["allow 192.0.2.5", "block @sender.example user:user@example.com"], "block @sender.example"),
        (["block 192.0.2.5 domain:example.com", "allow 192.0.2.5"], "block 192.0.2.5"),
        (["block 192.0.2.5 tenant:default", "allow 192.0.2.5"], "block 192.0.2.5"),
        (["allow 192.0.2.5 domain:example.com", "block 192.0.2.5 tenant:default"], "allow 192.0.2.5"),
        (
            ["allow @sender.example user:user@example.com", "block @sender.example domain:example.com"],
            "allow @sender.example",
        ),
        # then the client before the sender
        (["allow 192.0.2.0/24", "block friend@sender.example"], "allow 192.0.2.0/24"),
        (["block 192.0.2.0/24", "allow friend@sender.example"], "block 192.0.2.0/24"),
        # then the closer one
        (["block 192.0.2.0/24", "allow 192.0.2.5"], "allow 192.0.2.5"),
        (["allow 192.0.2.0/24", "block 192.0.2.5"], "block 192.0.2.5"),
        (["allow host:*.sender.example", "block 192.0.2.0/24"], "block 192.0.2.0/24"),
        (["block host:*.sender.example", "allow host:mail.sender.example"], "allow host:mail.sender.example"),
        (["block @sender.example", "allow friend@sender.example"], "allow friend@sender.example"),
        (["allow @.sender.example", "block @sender.example"], "block @sender.example"),
        # then an allow before a block
        (["block 192.0.2.5", "allow 192.0.2.5"], "allow 192.0.2.5"),
        (["block @sender.example", "allow @sender.example"], "allow @sender.example"),
        (["block 192.0.2.5", "allow host:mail.sender.example"], "allow host:mail.sender.example"),
        # others' entries say nothing
        (["block 192.0.2.5 user:other@example.com", "block 192.0.2.5 tenant:other"], ""),
        (["block 192.0.2.5 domain:example.net"], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_the_order_of_precedence(entries: list[str], holds: str) -> None:
    for order in (entries, entries[::-1]):
        found = matches(*map(entry, order))
        assert item_of(rule_for(found, RECIPIENT, "default", Claim.PROVEN, NOW)) == holds


def test_an_allow_by_name_needs_proof() -> None:
    found = matches(entry("allow @sender.example"), entry("block 192.0.2.0/24"))
    ruling = rule_for(found, RECIPIENT, "default", Claim.UNPROVEN, NOW)
    assert item_of(ruling) == "block 192.0.2.0/24"
    assert [row.item for row in ruling.unproven] == ["@sender.example"]
    proven = rule_for(matches(entry("allow @sender.example")), RECIPIENT, "", Claim.PROVEN, NOW)
    assert item_of(proven) == "allow @sender.example"
    assert proven.unproven == ()


def test_a_block_by_name_needs_none() -> None:
    for claim in Claim:
        ruling = rule_for_all(matches(entry("block @sender.example")), claim, NOW)
        assert item_of(ruling) == "block @sender.example"


def test_an_allow_of_an_address_needs_none() -> None:
    ruling = rule_for_all(matches(entry("allow 192.0.2.5")), Claim.UNPROVEN, NOW)
    assert item_of(ruling) == "allow 192.0.2.5"


def test_a_stranger_in_our_name_is_never_allowed() -> None:
    found = matches(entry("allow @sender.example"), entry("allow 192.0.2.5"))
    for ruling in (
        rule_for_all(found, Claim.OURS, NOW),
        rule_for(found, RECIPIENT, "default", Claim.OURS, NOW),
    ):
        assert ruling == Ruling()


def test_expired_entries_say_nothing() -> None:
    found = matches(entry("block 192.0.2.5", expires=NOW), entry("allow 192.0.2.0/24"))
    assert item_of(rule_for_all(found, Claim.UNPROVEN, NOW)) == "allow 192.0.2.0/24"
    assert item_of(rule_for_all(found, Claim.UNPROVEN, NOW - 1)) == "block 192.0.2.5"
    unproven = matches(entry("allow @sender.example", expires=NOW))
    assert rule_for_all(unproven, Claim.UNPROVEN, NOW).unproven == ()


def test_a_block_is_left_to_the_recipients_where_one_of_them_may_allow() -> None:
    block = entry("block 192.0.2.0/24")
    allow = entry("allow 192.0.2.5 user:user@example.com")
    found = matches(block, allow)
    assert rule_for_all(found, Claim.UNPROVEN, NOW) == Ruling()
    users = rule_for(found, RECIPIENT, "default", Claim.UNPROVEN, NOW)
    others = rule_for(found, "other@example.com", "default", Claim.UNPROVEN, NOW)
    assert (item_of(users), item_of(others)) == ("allow 192.0.2.5", "block 192.0.2.0/24")


def test_an_allow_yields_to_a_recipients_block_once_there_are_recipients() -> None:
    found = matches(entry("allow 192.0.2.0/24"), entry("block 192.0.2.5 user:user@example.com"))
    assert item_of(rule_for_all(found, Claim.UNPROVEN, NOW, yields=False)) == "allow 192.0.2.0/24"
    assert rule_for_all(found, Claim.UNPROVEN, NOW) == Ruling()
    users = rule_for(found, RECIPIENT, "default", Claim.UNPROVEN, NOW)
    others = rule_for(found, "other@example.com", "default", Claim.UNPROVEN, NOW)
    assert (item_of(users), item_of(others)) == ("block 192.0.2.5", "allow 192.0.2.0/24")


def test_an_allow_that_cannot_count_leaves_nothing_to_the_recipients() -> None:
    found = matches(
        entry("block 192.0.2.0/24"),
        entry("allow @sender.example user:user@example.com"),
        entry("allow 192.0.2.5 user:user@example.com", expires=1.0),
    )
    assert item_of(rule_for_all(found, Claim.UNPROVEN, NOW)) == "block 192.0.2.0/24"


@pytest.mark.parametrize(
    ("recipient", "scope", "concerned"),
    [
        ("user@example.com", "user@example.com", True),
        ("User@EXAMPLE.com", "user@example.com", True),
        ("other@example.com", "user@example.com", False),
        ("other@example.com", "example.com", True),
        ("other@sub.example.com", "@example.com", False),
        ("other@sub.example.com", "@.example.com", True),
        ("other@example.com", "@.example.com", True),
        ("other@notexample.com", "@.example.com", False),
        ("postmaster", "@.example.com", False),
    ],
)
def test_entries_may_be_for_some_recipients(recipient: str, scope: str, concerned: bool) -> None:
    found = matches(entry("block 192.0.2.5", recipients=(scope,)))
    assert rule_for_all(found, Claim.PROVEN, NOW).row is None
    ruling = rule_for(found, recipient, "default", Claim.PROVEN, NOW)
    assert (ruling.row is not None) == concerned


@pytest.mark.parametrize(
    ("session", "sender", "client", "claim"),
    [
        ({}, SENDER, {"spf": "pass", "spf_domain": "sender.example"}, Claim.PROVEN),
        ({}, SENDER, {"spf": "pass", "spf_domain": "SENDER.example"}, Claim.PROVEN),
        ({}, SENDER, {"spf": "pass", "spf_domain": "other.example"}, Claim.UNPROVEN),
        ({}, SENDER, {"spf": "softfail", "spf_domain": "sender.example"}, Claim.UNPROVEN),
        ({}, SENDER, {}, Claim.UNPROVEN),
        ({}, "", {"spf": "pass", "spf_domain": ""}, Claim.UNPROVEN),
        ({}, "a@example.com", {"spf": "pass", "spf_domain": "example.com"}, Claim.OURS),
        ({}, "a@EXAMPLE.com", {}, Claim.OURS),
        ({"auth_user": "a"}, "a@example.com", {}, Claim.PROVEN),
        ({"trusted": True}, SENDER, {}, Claim.PROVEN),
    ],
)
def test_what_a_name_is_worth(
    session: dict[str, object], sender: str, client: dict[str, str], claim: Claim
) -> None:
    facts = ClientFacts(**client)  # type: ignore[arg-type]
    of = Session("id", Listener.MX, str(CLIENT), **session)  # type: ignore[arg-type]
    assert claim_of(of, sender, facts, frozenset({"example.com"})) is claim


_OWNERS = ["system", "tenant:default", "domain:example.com", "user:user@example.com"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["allow", "block"]),
            st.sampled_from(
                ["192.0.2.5", "192.0.2.0/24", f"host:{HOST}", SENDER, "@sender.example"]
            ),
            st.sampled_from(_OWNERS),
        ),
        min_size=1,
    )
)
def test_the_most_personal_owner_decides(said: list[tuple[str, str, str]]) -> None:
    found = matches(*(make_entry(kind, item, owner=owner) for kind, item, owner in said))
    ruling = rule_for(found, RECIPIENT, "default", Claim.PROVEN, NOW)
    assert ruling.row is not None
    best = max(_OWNERS.index(owner) for _, _, owner in said)
    assert str(ruling.row.terms.owner) == _OWNERS[best]
    # and whoever else may hold a block, it is not said to all while this owner allows
    if best > 0 and ruling.kind is EntryKind.ALLOW:
        assert rule_for_all(found, Claim.PROVEN, NOW).kind is not EntryKind.BLOCK
