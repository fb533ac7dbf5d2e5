"""Which way a recipient's mail goes."""

from typing import Any

import pytest

from mailweir_delivery.policy.routing import (
    FixedHops,
    Hop,
    Kind,
    MxOf,
    NoRoute,
    Router,
    Tls,
    ascii_domain,
    hop_from,
)
from mailweir_policy import Policy


def router(**delivery: Any) -> Router:
    document = {
        "relay": {"domains": [{"name": "example.com"}, {"name": "example.net"}]},
        "identity": {"postmaster": "postmaster@example.com"},
        "delivery": delivery,
    }
    return Router(Policy.model_validate(document))


@pytest.mark.parametrize(
    ("url", "hop", "text"),
    [
        ("smtp://mail.example", Hop(Kind.SMTP, "mail.example", 25), "mail.example:25"),
        ("smtp://192.0.2.1:2525", Hop(Kind.SMTP, "192.0.2.1", 2525), "192.0.2.1:2525"),
        ("lmtp://box.example", Hop(Kind.LMTP, "box.example", 24), "box.example:24"),
        ("smtp://[2001:db8::1]:25", Hop(Kind.SMTP, "2001:db8::1", 25), "[2001:db8::1]:25"),
        ("maildir:///var/mail/in", Hop(Kind.MAILDIR, path="/var/mail/in"), "/var/mail/in"),
    ],
)
def test_next_hops_are_read_from_their_url(url: str, hop: Hop, text: str) -> None:
    assert hop_from(url) == hop
    assert str(hop) == text


def test_a_domain_s_own_route_goes_before_the_general_one() -> None:
    table = router(
        routes=[
            {"domain": "*", "next_hops": ["maildir:///mail"]},
            {"domain": "example.net", "next_hops": ["lmtp://box:24"], "tls": "required"},
        ]
    )
    assert table.way("a@example.com") == FixedHops((Hop(Kind.MAILDIR, path="/mail"),))
    assert table.way("a@EXAMPLE.net") == FixedHops((Hop(Kind.LMTP, "box", 24),), Tls.REQUIRED)


def test_a_local_domain_without_a_route_waits_with_a_reason() -> None:
    assert router().way("a@example.com") == NoRoute("no route for the local domain example.com")


def test_other_domains_go_by_mx_or_smarthost() -> None:
    assert router(outbound_port=26, outbound_tls="none").way("a@Far.example") == MxOf(
        "far.example", 26, Tls.NONE
    )
    smart = router(outbound="smarthost", smarthost="smtp://relay:587", outbound_tls="required")
    assert smart.way("a@far.example") == FixedHops((Hop(Kind.SMTP, "relay", 587),), Tls.REQUIRED)


def test_the_general_route_is_for_local_domains_only() -> None:
    table = router(routes=[{"domain": "*", "next_hops": ["maildir:///mail"]}])
    assert table.way("a@far.example") == MxOf("far.example")


def test_a_route_may_name_a_domain_that_is_not_local() -> None:
    table = router(routes=[{"domain": "partner.example", "next_hops": ["smtp://vpn"]}])
    assert table.way("a@partner.example") == FixedHops((Hop(Kind.SMTP, "vpn", 25),))


def test_a_bare_postmaster_is_ours() -> None:
    table = router(routes=[{"domain": "example.com", "next_hops": ["maildir:///mail"]}])
    assert table.way("postmaster") == FixedHops((Hop(Kind.MAILDIR, path="/mail"),))
    assert isinstance(router().way("Postmaster"), NoRoute)


def test_a_domain_in_u_labels_finds_its_route() -> None:
    table = router(routes=[{"domain": "xn--mnchen-3ya.example", "next_hops": ["smtp://m"]}])
    assert table.way("a@münchen.example") == FixedHops((Hop(Kind.SMTP, "m", 25),))
    assert ascii_domain("Straße.example") == "strasse.example"
    assert ascii_domain("ü" * 80) == "ü" * 80  # no such label; the DNS will say so


def test_recipients_of_one_destination_travel_together() -> None:
    table = router(
        routes=[
            {"domain": "example.com", "next_hops": ["smtp://one"]},
            {"domain": "same.example", "next_hops": ["smtp://one"]},
        ]
    )
    people = ("b@example.com", "x@far.example", "a@same.example", "c@example.net")
    groups, lost = table.group(people)
    assert groups == {
        FixedHops((Hop(Kind.SMTP, "one", 25),)): ("b@example.com", "a@same.example"),
        MxOf("far.example"): ("x@far.example",),
    }
    assert lost == {"c@example.net": NoRoute("no route for the local domain example.net")}


def test_destinations_have_a_name_for_people() -> None:
    assert str(MxOf("far.example")) == "mx:far.example"
    assert str(FixedHops((hop_from("smtp://a"), hop_from("smtp://b:26")))) == "a:25,b:26"
