"""Addresses as a client shows them."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import Address, Group, parse_addresses


def pairs(text: str) -> list[tuple[str, str]]:
    return [(address.name, address.address) for address in parse_addresses(text, 100).addresses]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a@b.test", [("", "a@b.test")]),
        ("<a@b.test>", [("", "a@b.test")]),
        ("Ann <a@b.test>", [("Ann", "a@b.test")]),
        ("Ann B. Smith <a@b.test>", [("Ann B. Smith", "a@b.test")]),
        ('"Smith, Ann" <a@b.test>', [("Smith, Ann", "a@b.test")]),
        ('"Say \\"hi\\"" <a@b.test>', [('Say "hi"', "a@b.test")]),
        ('Ann "the one" Smith <a@b.test>', [("Ann the one Smith", "a@b.test")]),
        ("Ann<a@b.test>", [("Ann", "a@b.test")]),
        ("a@b.test, Bob <c@d.test>", [("", "a@b.test"), ("Bob", "c@d.test")]),
        ("a@b.test; c@d.test", [("", "a@b.test"), ("", "c@d.test")]),
        # comments are shown after the name, or instead of it
        ("a@b.test (Ann)", [("Ann", "a@b.test")]),
        ("Ann (work) <a@b.test>", [("Ann (work)", "a@b.test")]),
        ("Ann <a@b.test> (work)", [("Ann (work)", "a@b.test")]),
        ("Ann (a (nested) one) <a@b.test>", [("Ann (a (nested) one)", "a@b.test")]),
        ("(Ann \\) \\\\) a@b.test", [("Ann ) \\", "a@b.test")]),
        # the name is not the address, however it looks
        ("ceo@bank.test <x@evil.test>", [("ceo@bank.test", "x@evil.test")]),
        ('"ceo@bank.test" <x@evil.test>', [("ceo@bank.test", "x@evil.test")]),
        ("<a@b.test> <x@evil.test>", [("<a@b.test>", "x@evil.test")]),
        # what is between the brackets
        ("<@r.test,@s.test:a@b.test>", [("", "a@b.test")]),
        ("<a(comment)@b.test>", [("", "a@b.test")]),
        ("< a @ b.test >", [("", "a@b.test")]),
        ('<"odd > local"@b.test>', [("", '"odd>local"@b.test')]),
        ('"odd local"@b.test', [("", '"odd local"@b.test')]),
        ("<a@[192.0.2.1]>", [("", "a@[192.0.2.1]")]),
        ("Ann <>", [("Ann", "")]),
        # not closed, not opened, nothing there
        ("Ann <a@b.test", [("Ann", "a@b.test")]),
        ('"Ann <a@b.test>', [("Ann <a@b.test>", "")]),
        ("Ann (a@b.test", [("Ann (a@b.test)", "")]),
        ("Ann a@b.test", [("Ann", "a@b.test")]),
        ("just words", [("just words", "")]),
        ("postmaster", [("postmaster", "")]),
        ("a@b@c.test", [("", "a@b@c.test")]),
        ("@b.test", [("@b.test", "")]),
        (">", [(">", "")]),
        # encoded words, decoded after the structure
        ("=?utf-8?q?J=C3=BCrgen?= <a@b.test>", [("Jürgen", "a@b.test")]),
        ('"=?utf-8?q?J=C3=BCrgen?=" <a@b.test>', [("Jürgen", "a@b.test")]),
        ("=?utf-8?q?Smith=2C_Ann?= <a@b.test>", [("Smith, Ann", "a@b.test")]),
        ("=?utf-8?q?Ann_=3Cx=40y=2Etest=3E?= <a@b.test>", [("Ann <x@y.test>", "a@b.test")]),
        ("=?utf-8?q?a=40b=2Etest?=", [("a@b.test", "")]),
        ("a@b.test (=?utf-8?q?J=C3=BCrgen?=)", [("Jürgen", "a@b.test")]),
        ("Jürgen <jürgen@bücher.test>", [("Jürgen", "jürgen@bücher.test")]),
    ],
)
def test_mailboxes(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


def test_groups() -> None:
    found = parse_addresses(
        "Staff: a@b.test, Bob <c@d.test>; e@f.test, undisclosed-recipients:;", 100
    )
    assert found.groups == (
        Group("Staff", (Address("", "a@b.test"), Address("Bob", "c@d.test"))),
        Group("undisclosed-recipients", ()),
    )
    assert [address.address for address in found.addresses] == ["a@b.test", "c@d.test", "e@f.test"]
    assert found.entries[1] == Address("", "e@f.test")


def test_a_group_that_is_not_closed() -> None:
    found = parse_addresses("Staff: a@b.test", 100)
    assert found.groups == (Group("Staff", (Address("", "a@b.test"),)),)


@pytest.mark.parametrize(
    "text", ["a@b.test: x@y.test", '"quoted: name" <a@b.test>', "Ann: <a@b.test>", "A: b: c@d.test"]
)
def test_a_colon_loses_no_address(text: str) -> None:
    assert [address for _, address in pairs(text) if "@" in address]


def test_parts_of_an_address() -> None:
    address = Address("Ann", "Ann.B@Example.TEST.")
    assert (address.local, address.domain, address.key) == (
        "Ann.B",
        "example.test",
        "ann.b@example.test.",
    )
    assert Address("", "nobody").domain == ""
    assert Address("", '"a@b"@c.test').local == '"a@b"'


def test_first() -> None:
    assert parse_addresses("", 100).first is None
    assert parse_addresses("G: a@b.test;", 100).first == Address("", "a@b.test")


def test_there_is_a_limit() -> None:
    found = parse_addresses("a@b.test, " * 50, 10)
    assert len(found.addresses) == 10
    assert not found.complete
    assert parse_addresses("a@b.test, " * 10, 100).complete
    assert parse_addresses("a@b.test", 0).addresses == ()


@given(st.text(st.sampled_from('ab@.,;:<>()"\\ =?é'), max_size=60))
def test_any_text_parses(text: str) -> None:
    found = parse_addresses(text, 100)
    for address in found.addresses:
        assert address.name or address.address
        assert "\n" not in address.name


@given(st.lists(st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.test", fullmatch=True), max_size=8))
def test_plain_lists_come_back(addresses: list[str]) -> None:
    assert [address for _, address in pairs(", ".join(addresses))] == addresses
