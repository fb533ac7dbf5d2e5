"""Whose a recipient is, and every known way of asking us to relay."""

import pytest

from mailweir_core.address import AddressError, EnvelopeAddress
from mailweir_ingress.policy.relay import (
    Standing,
    bare_local,
    is_local,
    read_recipient,
    standing,
)
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import LocalDomain, Policy, RelayPolicy


def rules_for(*domains: LocalDomain) -> Rules:
    """Return rules with these local domains."""
    return compile_rules(Policy(relay=RelayPolicy(domains=domains)), "v.1")


OPEN = LocalDomain(name="example.com")
LISTED = LocalDomain(
    name="list.example",
    recipients="list",
    addresses=frozenset({"anna@list.example", "50%off@list.example"}),
)
ASKED = LocalDomain(name="ask.example", recipients="callout")
UMLAUT = LocalDomain(name="bücher.example")
RULES = rules_for(OPEN, LISTED, ASKED, UMLAUT)


def where(path: str, *, may_relay: bool = False, smtputf8: bool = True) -> object:
    """Return the standing of a path, or what reading it gave."""
    found = read_recipient(path, RULES, smtputf8=smtputf8)
    if isinstance(found, EnvelopeAddress):
        return standing(found, RULES, may_relay=may_relay)
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("<bob@example.com>", Standing.LOCAL),
        ("<Bob@EXAMPLE.com>", Standing.LOCAL),
        ("<bob@example.com.>", Standing.LOCAL),
        ('<"bob smith"@example.com>', Standing.LOCAL),
        ("<bob+x@example.com>", Standing.LOCAL),
        ("<anna@list.example>", Standing.LOCAL),
        ("<ANNA@list.example>", Standing.LOCAL),
        ('<"anna"@list.example>', Standing.LOCAL),
        ("<anna+shop@list.example>", Standing.LOCAL),
        ("<50%off@list.example>", Standing.LOCAL),  # the list names exactly it
        ("<postmaster@list.example>", Standing.LOCAL),  # RFC 5321 §4.5.1
        ("<postmaster@ask.example>", Standing.LOCAL),
        ("<postmaster>", Standing.LOCAL),
        ("<PostMaster>", Standing.LOCAL),
        ("<berta@list.example>", Standing.UNKNOWN),
        ("<+anna@list.example>", Standing.UNKNOWN),
        ("<ann@list.example>", Standing.UNKNOWN),
        ("<bob@ask.example>", Standing.PROBE),
        ("<bob@bücher.example>", Standing.LOCAL),
        ("<bob@xn--bcher-kva.example>", Standing.LOCAL),
        ("<bob@elsewhere.example>", Standing.DENIED),
        ("<bob@sub.example.com>", Standing.DENIED),
        ("<bob@notexample.com>", Standing.DENIED),
        ("<bob@localhost>", Standing.DENIED),
    ],
)
def test_a_stranger_reaches_our_own_people_only(path: str, expected: Standing) -> None:
    assert where(path) is expected


@pytest.mark.parametrize(
    "path",
    [
        "<victim%elsewhere.example@example.com>",
        "<victim%elsewhere.example@list.example>",
        "<elsewhere.example!victim@example.com>",
        "<a!b!victim@example.com>",
        '<"victim@elsewhere.example"@example.com>',
        r'<"victim\@elsewhere.example"@example.com>',
        '<"victim%elsewhere.example"@example.com>',
        '<"elsewhere.example!victim"@example.com>',
        '<"@elsewhere.example:victim"@example.com>',
        "<@elsewhere.example:victim@example.com>",
        "<@example.com:victim@elsewhere.example>",
        "<@example.com,@elsewhere.example:victim@third.example>",
        "<elsewhere.example!victim>",
        "<victim%elsewhere.example>",
    ],
)
@pytest.mark.parametrize("may_relay", [False, True])
def test_an_address_that_asks_to_be_routed_on_is_refused_to_everybody(
    path: str, may_relay: bool
) -> None:
    assert where(path, may_relay=may_relay) is Standing.ROUTED


@pytest.mark.parametrize(
    "path",
    [
        "<victim@elsewhere.example@example.com>",
        "<victim@example.com@elsewhere.example>",
        '<"victim"@elsewhere.example"@example.com>',
        "<victim@[elsewhere.example]>",
        "<>",
        "<bob@>",
        "<bob>",
        "<bob@example.com\x00@elsewhere.example>",
    ],
)
def test_what_is_no_address_is_none(path: str) -> None:
    assert where(path) is AddressError.SYNTAX


@pytest.mark.parametrize("literal", ["[127.0.0.1]", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_an_address_literal_is_nobody_of_ours(literal: str) -> None:
    assert where(f"<bob@{literal}>") is Standing.DENIED
    assert where(f"<bob@{literal}>", may_relay=True) is Standing.LITERAL


def test_who_may_relay_reaches_everybody_and_our_own_as_before() -> None:
    assert where("<bob@elsewhere.example>", may_relay=True) is Standing.RELAY
    assert where("<a%b@elsewhere.example>", may_relay=True) is Standing.RELAY
    assert where("<berta@list.example>", may_relay=True) is Standing.UNKNOWN
    assert where("<bob@ask.example>", may_relay=True) is Standing.PROBE


def test_a_utf8_address_needs_the_extension() -> None:
    assert where("<bob@bücher.example>", smtputf8=False) is AddressError.NEEDS_UTF8


def test_a_bare_postmaster_lives_in_the_first_domain() -> None:
    found = read_recipient("<Postmaster>", RULES, smtputf8=False)
    assert found == EnvelopeAddress("Postmaster", "example.com")


def test_without_a_domain_of_our_own_there_is_no_postmaster() -> None:
    rules = rules_for()
    found = read_recipient("<postmaster>", rules, smtputf8=False)
    assert isinstance(found, EnvelopeAddress)
    assert standing(found, rules, may_relay=False) is Standing.DENIED


def test_a_domain_that_idna_refuses_is_not_ours() -> None:
    assert not is_local(EnvelopeAddress("bob", "ü" * 70 + ".example"), RULES)


@pytest.mark.parametrize(
    ("local", "bare"),
    [("Bob", "bob"), ('"Bob"', "bob"), (r'"a\"b\\c"', 'a"b\\c'), ('"', '"'), ('""', "")],
)
def test_a_local_part_is_compared_without_its_quotes(local: str, bare: str) -> None:
    assert bare_local(local) == bare
