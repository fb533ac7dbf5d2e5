"""Received fields of many servers, and how far they are believed."""

from ipaddress import ip_network

import pytest

from mailweir_spamassassin.view.relays import Relay, follow, is_private, parse

DATE = "; Tue, 27 Aug 2002 00:18:22 -0400"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "from h.example (r.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id ABC"
            + DATE,
            ("192.0.2.1", "r.example", "h.example", "mx.example", "ABC"),
        ),
        (
            "from h.example (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id ABCD",
            ("192.0.2.1", "", "h.example", "mx.example", "ABCD"),
        ),
        (
            "from h (root@r.example [192.0.2.1]) by mx.example (8.9.3/8.9.3) with ESMTP id RAA21810",
            ("192.0.2.1", "r.example", "h", "mx.example", "RAA21810"),
        ),
        (
            "from r.example ([192.0.2.1] helo=h.example) by mx.example with esmtp (Exim 4.9) id 1abc-00",
            ("192.0.2.1", "r.example", "h.example", "mx.example", "1abc-00"),
        ),
        (
            "from r.example (HELO h.example) (192.0.2.1) by mx.example with SMTP",
            ("192.0.2.1", "r.example", "h.example", "mx.example", ""),
        ),
        (
            "from [192.0.2.1] by mx.example via HTTP",
            ("192.0.2.1", "", "", "mx.example", ""),
        ),
        (
            "from h.example (r.example [IPv6:2001:db8::1]) by mx.example (Postfix) with ESMTPS id ABCD",
            ("2001:db8::1", "r.example", "h.example", "mx.example", "ABCD"),
        ),
        (
            "from h.example ([::ffff:192.0.2.1]) by mx.example (8.1) with ESMTP id ABCD",
            ("192.0.2.1", "", "h.example", "mx.example", "ABCD"),
        ),
    ],
)
def test_shapes(text: str, expected: tuple[str, ...]) -> None:
    relay = parse(text)
    assert isinstance(relay, Relay)
    assert (relay.ip, relay.rdns, relay.helo, relay.by, relay.id) == expected


@pytest.mark.parametrize(
    "text",
    [
        "by mx.example with local id X",
        "(from user@localhost) by mx.example (8.11.6/Submit) id X",
        "from mail pickup service by mx.example with Microsoft SMTPSVC;",
        "from a.example by mx.example with local (Exim 4) id X",
        "from a by b; for c",
    ],
)
def test_no_handover_over_a_network(text: str) -> None:
    assert parse(text) is False


def test_what_cannot_be_read() -> None:
    assert parse("from somewhere else entirely") is None


@pytest.mark.parametrize(
    ("text", "auth"),
    [
        ("from a (b [192.0.2.1]) by c (Postfix) with ESMTPSA id X", "ESMTPSA"),
        (
            "from a (b [192.0.2.1]) (Authenticated sender: u) by c (Postfix) with ESMTP id X",
            "Postfix",
        ),
        ("from a (b [192.0.2.1]) by c (Postfix) with ESMTPS id X", ""),
    ],
)
def test_authentication(text: str, auth: str) -> None:
    relay = parse(text)
    assert isinstance(relay, Relay)
    assert relay.auth == auth


def test_the_form_that_rules_look_at() -> None:
    relay = Relay("192.0.2.1", "r", "h", "b", "i", "e@x", "id", "ESMTPA", internal=True)
    assert str(relay) == (
        "[ ip=192.0.2.1 rdns=r helo=h by=b ident=i envfrom=e@x intl=1 id=id auth=ESMTPA msa=0 ]"
    )


PRIVATE = "from a (a.lan [10.0.0.1]) by b (Postfix) with ESMTP id ABCD"
PUBLIC = "from a (a.example [192.0.2.1]) by b (Postfix) with ESMTP id ABCD"


def test_private_addresses_are_believed_until_the_first_public_one() -> None:
    trail = follow([PRIVATE, PUBLIC, PRIVATE], None, ())
    assert [relay.ip for relay in trail.trusted] == ["10.0.0.1"]
    assert [relay.ip for relay in trail.untrusted] == ["192.0.2.1", "10.0.0.1"]
    assert trail.last_trusted == 0


def test_networks_say_what_is_believed() -> None:
    trail = follow([PUBLIC, PRIVATE], None, (ip_network("192.0.2.0/24"),))
    assert [relay.ip for relay in trail.trusted] == ["192.0.2.1"]


def test_the_handover_to_ourselves_comes_first() -> None:
    first = Relay(ip="198.51.100.7", helo="h")
    trail = follow([PUBLIC], first, ())
    assert [relay.ip for relay in trail.untrusted] == ["198.51.100.7", "192.0.2.1"]


def test_a_fetcher_takes_back_what_was_believed() -> None:
    fetched = "from box [127.0.0.1] by localhost with IMAP (fetchmail-5.9.0) for u (single-drop)"
    trail = follow([PRIVATE, fetched, PUBLIC], None, ())
    assert trail.trusted == []
    assert [relay.ip for relay in trail.untrusted] == ["192.0.2.1"]


def test_unreadable_fields_are_counted() -> None:
    assert follow(["from somewhere", PUBLIC], None, ()).unparseable == 1


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        ("10.1.2.3", True), ("172.16.0.1", True), ("172.32.0.1", False), ("192.168.1.1", True), ("::1", True),
        ("fe80::1", True), ("2001:db8::1", False), ("8.8.8.8", False), ("100.64.0.1", True),
    ],
)  # fmt: skip
def test_private(ip: str, private: bool) -> None:
    assert is_private(ip) is private


@pytest.mark.parametrize(
    "text",
    [
        "from " + "a" * 100_000,
        "from a (" + "[" * 50_000,
        "from " + "x (y " * 20_000,
        "from " + " " * 100_000,
    ],
)
def test_hostile_fields_take_bounded_time(text: str) -> None:
    follow([text] * 200, None, ())
