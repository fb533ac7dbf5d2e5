"""What the answers of lists mean, and which of them mean that a list does not serve us."""

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from mailweir_core.dns import DnsAnswer, DnsStatus
from mailweir_policy.answers import (
    LISTS_ALL,
    OWN_RESOLVER,
    REWRITTEN,
    ListStatus,
    octets_of,
    read_answer,
)
from mailweir_policy.lists import (
    ListCheck,
    ListCode,
    ListKind,
    ListsPolicy,
    ListZone,
    parse_codes,
)
from mailweir_scoring.policy.lists import ListQuery, rules_of
from mailweir_scoring.policy.lists.stage import listings


def zone(name: str = "bl", domain: str = "bl.example", **more: object) -> ListZone:
    return ListZone.model_validate(
        {"name": name, "zone": domain, "kinds": {"ip4"}, "checks": {"client"}, **more}
    )


def answer(*records: str) -> DnsAnswer:
    return DnsAnswer(DnsStatus.OK if records else DnsStatus.NXDOMAIN, records, 60.0)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("127.0.0.2", "127.0.0.2", "127.0.0.3"),
        ("127.0.0.4-7", "127.0.0.7", "127.0.0.8"),
        ("127.0.1.0-255", "127.0.1.9", "127.0.0.9"),
        ("&8", "127.0.0.10", "127.0.0.2"),
        ("&6", "127.0.0.4", "127.0.0.9"),
    ],
)
def test_codes(text: str, inside: str, outside: str) -> None:
    codes = parse_codes(text)
    yes, no = octets_of(inside), octets_of(outside)
    assert yes is not None
    assert no is not None
    assert codes.has(yes)
    assert not codes.has(no)


@pytest.mark.parametrize(
    "text", ["", "2", "128.0.0.2", "127.0.0.256", "127.0.0.9-2", "&0", "&256", "127.0.2", "&x"]
)
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(ValueError, match="write 127"):
        parse_codes(text)


@pytest.mark.parametrize(
    ("domain", "records", "status", "remedy"),
    [
        ("bl.example", ("127.0.0.2",), ListStatus.LISTED, ""),
        ("bl.example", (), ListStatus.CLEAR, ""),
        ("bl.example", ("127.0.0.1",), ListStatus.REFUSED, LISTS_ALL),
        ("bl.example", ("192.0.2.7",), ListStatus.REFUSED, REWRITTEN),
        ("bl.example", ("127.0.0.2", "10.0.0.1"), ListStatus.REFUSED, REWRITTEN),
        ("bl.example", ("nonsense",), ListStatus.REFUSED, REWRITTEN),
        ("zen.spamhaus.org", ("127.255.255.254",), ListStatus.REFUSED, OWN_RESOLVER),
        ("bl.example", ("127.255.255.252",), ListStatus.REFUSED, OWN_RESOLVER),
        ("multi.uribl.com", ("127.0.0.1",), ListStatus.REFUSED, OWN_RESOLVER),
        ("multi.uribl.com", ("127.0.0.2",), ListStatus.LISTED, ""),
        ("list.dnswl.org", ("127.0.0.255",), ListStatus.REFUSED, OWN_RESOLVER),
        ("list.dnswl.org", ("127.0.10.3",), ListStatus.REFUSED, OWN_RESOLVER),
        ("list.dnswl.org", ("127.0.5.3",), ListStatus.LISTED, ""),
        ("other.example", ("127.0.10.3",), ListStatus.LISTED, ""),
    ],
)
def test_answers(domain: str, records: tuple[str, ...], status: ListStatus, remedy: str) -> None:
    read = read_answer(zone(domain=domain), answer(*records))
    assert (read.status, read.detail) == (status, remedy)


def test_own_refusals_of_a_policy() -> None:
    own = zone(refusals=("127.0.0.99",))
    assert read_answer(own, answer("127.0.0.99")).status is ListStatus.REFUSED


def test_no_answer_is_no_listing() -> None:
    read = read_answer(zone(), DnsAnswer(DnsStatus.TEMPERROR, detail="no answer in time"))
    assert (read.status, read.detail) == (ListStatus.FAILED, "no answer in time")


@given(st.lists(st.text(max_size=20) | st.ip_addresses(v=4).map(str), max_size=30))
def test_whatever_a_list_says_only_127_8_lists(records: list[str]) -> None:
    read = read_answer(zone(), answer(*records))
    if read.status is ListStatus.LISTED:
        assert all(code.startswith("127.") and code != "127.0.0.1" for code in read.codes)


NAMED = zone(
    "zen",
    codes=(
        {"codes": "127.0.0.2-3", "name": "sbl", "score": 4.0},
        {"codes": "127.0.0.4-7", "name": "xbl", "score": 3.0, "description": "Exploited"},
    ),
)


def test_each_meaning_of_an_answer_is_a_listing() -> None:
    query = ListQuery("1.2.0.192", NAMED, "192.0.2.1")
    read = read_answer(NAMED, answer("127.0.0.3", "127.0.0.4"))
    assert list(listings(query, read)) == [("LIST_ZEN_SBL", 4.0), ("LIST_ZEN_XBL", 3.0)]
    assert list(listings(query, read_answer(NAMED, answer("127.0.0.10")))) == []


def test_rules_follow_from_the_policy() -> None:
    policy = ListsPolicy(
        zones=(
            NAMED,
            zone("my-bl", score=1.5, display="My list"),
            zone("off", enabled=False),
            zone("unread", terms_accepted=False),
        )
    )
    assert [(r.symbol, r.score, r.group, r.description) for r in rules_of(policy)] == [
        ("LIST_ZEN_SBL", 4.0, "lists", "Listed by zen as sbl"),
        ("LIST_ZEN_XBL", 3.0, "lists", "Exploited"),
        ("LIST_MY_BL", 1.5, "lists", "Listed by My list"),
    ]


def test_no_list_alone_may_refuse() -> None:
    for score in (10.5, -11):
        with pytest.raises(ValidationError):
            zone(score=score)
        with pytest.raises(ValidationError):
            ListCode(codes="&2", name="x", score=score)


@pytest.mark.parametrize(
    "zones",
    [
        (zone("a"), zone("a")),
        (zone("a", codes=({"codes": "&2", "name": "b", "score": 1},)), zone("a-b")),
    ],
)
def test_names_of_lists_are_unique(zones: tuple[ListZone, ...]) -> None:
    with pytest.raises(ValidationError, match="named twice"):
        ListsPolicy(zones=zones)


def test_a_domain_list_cannot_be_asked_for_addresses() -> None:
    with pytest.raises(ValidationError, match="kinds needs ip4 or ip6"):
        ListZone(
            name="d",
            zone="d.example",
            kinds=frozenset({ListKind.DOMAIN}),
            checks=frozenset({ListCheck.CLIENT}),
        )


def test_no_list_is_asked_by_default() -> None:
    assert ListsPolicy().zones == ()
    assert rules_of(ListsPolicy()) == ()
