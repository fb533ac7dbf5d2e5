"""What of a message goes to which list, within the caps."""

import hashlib
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, strategies as st

from mailweir_core.asking import drive
from mailweir_core.record import Envelope, Listener, Session
from mailweir_mail import parse
from mailweir_mail.listed import domain_of
from mailweir_policy import ScoringPolicy
from mailweir_policy.answers import ListAnswer, ListStatus
from mailweir_policy.lists import ListCheck, ListKind, ListsPolicy, ListZone
from mailweir_scoring.policy.facts import Facts, Hit, Identity
from mailweir_scoring.policy.lists import ListQuery, look_up
from mailweir_scoring.policy.lists.items import hosts_of, literal
from mailweir_scoring.policy.reading import texts_of

IPS = ("ip4", "ip6")
MAIL = b"""Received: from cli (cli [8.8.4.4]) by mx.example.org with ESMTP; Tue, 24 Nov 26 10:00:00 +0000
Received: from a (a [9.9.9.9]) by b with ESMTP; Tue, 24 Nov 2026 09:00:00 +0000
Received: from lan (lan [10.0.0.7]) by a with ESMTP; Tue, 24 Nov 2026 08:00:00 +0000
Received: from home (home [84.1.2.3]) by lan with ESMTPSA; Tue, 24 Nov 2026 07:00:00 +0000
Received: from c (c [2606:4700::1111]) by d with ESMTP; Tue, 24 Nov 2026 06:00:00 +0000
From: A <someone@mail.shop.co.uk>
Reply-To: other@reply.example
Subject: x

see http://www.bad.example/a and http://a.b.worse.co.uk/ and http://deep.local.example/ and http://1.1.1.1/
"""


def zone(name: str, kinds: tuple[str, ...], *checks: str, **more: object) -> ListZone:
    return ListZone.model_validate(
        {"name": name, "zone": f"{name}.example", "kinds": kinds, "checks": checks, **more}
    )


def facts(*zones: ListZone, raw: bytes = MAIL, **more: object) -> Facts:
    message = parse(raw)
    session = Session("s", Listener.MX, "8.8.4.4", helo="mail.client.example")
    envelope = Envelope("r", session, "bounce@b.return.example", ("u@local.example",), 1.8e9)
    lists = ListsPolicy.model_validate({"zones": zones, **more})
    return Facts(
        message=message,
        texts=texts_of(message, 100_000),
        now=1.8e9,
        envelope=envelope,
        identity=Identity("mx.example.org", frozenset({"local.example"})),
        policy=ScoringPolicy(lists=lists),
    )


def asked(given: Facts, listed: frozenset[str] = frozenset()) -> tuple[list[str], tuple[Hit, ...]]:
    seen: list[str] = []

    def answer(queries: tuple[ListQuery, ...]) -> tuple[ListAnswer, ...]:
        seen.extend(f"{q.zone.name}:{q.item}" for q in queries)
        return tuple(
            ListAnswer(ListStatus.LISTED, ("127.0.0.2",))
            if q.shown in listed
            else ListAnswer(ListStatus.CLEAR)
            for q in queries
        )

    return seen, drive(look_up(given), answer).hits


def test_nothing_is_asked_by_default() -> None:
    assert asked(facts()) == ([], ())
    assert asked(facts(zone("z", IPS, "client", enabled=False))) == ([], ())
    assert asked(facts(zone("z", IPS, "client"), queries=0)) == ([], ())


@pytest.mark.parametrize(
    ("kinds", "check", "items"),
    [
        (IPS, "client", ["4.4.8.8"]),
        (("domain",), "helo", ["client.example"]),
        (("domain",), "from", ["return.example", "shop.co.uk"]),
        (("domain",), "reply", ["reply.example"]),
        (("domain",), "urls", ["bad.example", "worse.co.uk"]),
        (("ip4",), "urls", ["1.1.1.1"]),
        (("ip4",), "received", ["9.9.9.9"]),
        (("ip6",), "received", ["1.1.1.1." + "0." * 20 + "0.0.7.4.6.0.6.2"]),
        (("hash",), "reply", [hashlib.sha1(b"other@reply.example").hexdigest()]),
    ],
)
def test_what_is_asked_about(kinds: tuple[str, ...], check: str, items: list[str]) -> None:
    seen, _ = asked(facts(zone("z", kinds, check)))
    assert seen == [f"z:{item}" for item in items]


def test_a_listing_is_a_hit_with_its_item() -> None:
    given = facts(zone("z", ("domain",), "urls"), zone("ip", IPS, "client"))
    _, hits = asked(given, frozenset({"bad.example", "8.8.4.4"}))
    assert hits == (Hit("LIST_IP", "8.8.4.4"), Hit("LIST_Z", "bad.example"))


def test_our_own_users_clients_are_nobodys_business() -> None:
    given = facts(zone("z", (*IPS, "domain"), "client", "received", "helo"))
    assert given.envelope is not None
    user = replace(given.envelope, session=replace(given.envelope.session, auth_user="u"))
    assert asked(replace(given, envelope=user))[0] == []
    trusted = replace(given.envelope, session=replace(given.envelope.session, trusted=True))
    assert asked(replace(given, envelope=trusted))[0] == []
    assert asked(replace(given, envelope=None))[0] == []


@pytest.mark.parametrize("ip", ["10.1.2.3", "127.0.0.1", "::1", "fe80::1", "192.168.0.9", "junk"])
def test_private_addresses_are_not_asked_about(ip: str) -> None:
    given = facts(zone("z", IPS, "client"))
    assert given.envelope is not None
    session = replace(given.envelope.session, client_ip=ip)
    assert asked(replace(given, envelope=replace(given.envelope, session=session)))[0] == []


def test_received_addresses_go_to_few_lists_and_are_few() -> None:
    zones = [zone(f"z{n}", IPS, "received") for n in range(5)]
    seen, _ = asked(facts(*zones))
    assert {item.partition(":")[0] for item in seen} == {"z0", "z1", "z2"}
    seen, _ = asked(facts(*zones, received_zones=5, received_hops=1))
    assert seen == [f"z{n}:9.9.9.9" for n in range(5)]


def test_questions_are_capped_and_links_come_last() -> None:
    every = zone("z", (*IPS, "domain", "hash"), *ListCheck)
    assert asked(facts(every, queries=3))[0] == [
        "z:4.4.8.8",
        "z:client.example",
        "z:return.example",
    ]
    many = b"Subject: x\n\n" + b" ".join(b"http://www.n%d.example/" % n for n in range(99))
    assert len(asked(facts(zone("z", ("domain",), "urls"), raw=many, domains=7))[0]) == 7


def test_of_one_provider_only_the_weightiest_counts() -> None:
    given = facts(
        zone("a", IPS, "client", score=3, provider="p"),
        zone("b", IPS, "client", score=5, provider="p"),
        zone("c", IPS, "client", score=1),
    )
    _, hits = asked(given, frozenset({"8.8.4.4"}))
    assert [(h.symbol, h.weight) for h in hits] == [("LIST_A", 0), ("LIST_B", 1), ("LIST_C", 1)]


@pytest.mark.parametrize("status", [s for s in ListStatus if s is not ListStatus.LISTED])
def test_no_other_answer_is_a_hit(status: ListStatus) -> None:
    given = facts(zone("z", IPS, "client"))
    found = drive(look_up(given), lambda qs: tuple(ListAnswer(status, ("127.0.0.2",)) for _ in qs))
    assert found.hits == ()


@pytest.mark.parametrize(
    ("href", "hosts"),
    [
        ("http://www.example.org/", ["www.example.org"]),
        ("https://bank.example@evil.example/x", ["evil.example"]),
        ("https://evil.example\\@bank.example/", ["evil.example"]),
        ("http://EVIL.example.:8080", ["evil.example"]),
        ("mailto:a@b.example", []),
        ("javascript:alert(1)", []),
        (
            "https://r.example/url?q=https%3A%2F%2Fevil.example%2Fx&x=1",
            ["r.example", "evil.example"],
        ),
        ("http://[::1", []),
    ],
)
def test_where_links_lead(href: str, hosts: list[str]) -> None:
    assert list(hosts_of(href)) == hosts


def test_redirectors_in_a_row_end() -> None:
    from urllib.parse import quote

    href = "http://last.example/"
    for number in range(10):
        href = f"http://r{number}.example/?u={quote(href, safe='')}"
    assert len(list(hosts_of(href))) <= 4


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("3221225985", "192.0.2.1"),
        ("0xc0000201", "192.0.2.1"),
        ("0300.0.2.1", "192.0.2.1"),
        ("192.513", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("www.example.org", None),
        ("256.1.1.1", None),
        ("4294967296", None),
        ("1.2.3.4.5", None),
        ("09.1.1.1", None),
        ("", None),
    ],
)
def test_addresses_in_all_forms(host: str, ip: str | None) -> None:
    assert literal(host) == (None if ip is None else ip_address(ip))


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a.b.Example.CO.uk.", "example.co.uk"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", ""),
        ("10.0.0.1", ""),
        ("[10.0.0.1]", ""),
        ("a..b", ""),
        ("x" * 64 + ".example", ""),
        ("", ""),
        ("\ud800.example", ""),
    ],
)
def test_domains(text: str, domain: str) -> None:
    assert domain_of(text) == domain


EVERY = zone("z", tuple(ListKind), *ListCheck)


@given(st.binary(max_size=400), st.integers(0, 20))
def test_no_message_raises_or_asks_too_much(body: bytes, queries: int) -> None:
    raw = b"From: " + body[:50] + b"\nReply-To: " + body[50:90] + b"\n\nhttp://" + body
    seen, _ = asked(facts(EVERY, zone("y", IPS, "received"), raw=raw, queries=queries))
    assert len(seen) <= queries
    assert len(set(seen)) == len(seen)


@given(st.text(max_size=100))
def test_no_link_raises(text: str) -> None:
    for host in hosts_of(f"http://{text}"):
        domain_of(host)
        literal(host)
