"""What records say of a client and its mail."""

from ipaddress import ip_address
from typing import Final

import pytest
from hypothesis import given, strategies as st

from mailweir_core.client import ClientClass
from mailweir_policy.reputation import HistoryPolicy
from mailweir_reputation.policy.history.keys import Key, Kind, client_keys
from mailweir_reputation.policy.history.opinion import (
    WEIGHTS,
    class_of,
    class_of_client,
    is_good_sender,
    opinion_of,
)
from mailweir_reputation.policy.history.record import Record, noted

NOW: Final = 1_750_000_000.0
RULES: Final = HistoryPolicy()
IP: Final = Key(Kind.IP, "192.0.2.5")
NET: Final = Key(Kind.NET, "192.0.2.0/24")
SENDER: Final = Key(Kind.SENDER, "a@b.example", proven=True)


def record(messages: float, spam: float, at: float = NOW) -> Record:
    return Record(messages, spam, seen_at=at)


@pytest.mark.parametrize(
    ("messages", "spam", "expected"),
    [
        (9.9, 0.0, ClientClass.NONE),  # too few
        (9.9, 9.9, ClientClass.NONE),
        (10, 0.0, ClientClass.GOOD),
        (100, 2.0, ClientClass.GOOD),
        (100, 2.1, ClientClass.NONE),
        (100, 79.9, ClientClass.NONE),
        (100, 80.0, ClientClass.BAD),
        (10, 10, ClientClass.BAD),
    ],
)
def test_the_class_comes_of_the_share_of_spam(
    messages: float, spam: float, expected: ClientClass
) -> None:
    assert class_of(IP, record(messages, spam), NOW, RULES) is expected


def test_what_is_long_ago_says_nothing() -> None:
    long_ago = record(15, 15, NOW - RULES.half_life_seconds)
    assert class_of(IP, long_ago, NOW, RULES) is ClientClass.NONE
    assert class_of(IP, None, NOW, RULES) is ClientClass.NONE


def test_a_client_is_judged_by_itself_first() -> None:
    known = [(IP, record(50, 25)), (NET, record(1000, 1000))]
    assert class_of_client(known, NOW, RULES) is ClientClass.NONE
    known = [(IP, record(50, 0)), (NET, record(1000, 1000))]
    assert class_of_client(known, NOW, RULES) is ClientClass.GOOD


def test_a_stranger_is_judged_by_the_network_that_has_sent_enough() -> None:
    assert class_of_client([(IP, None), (NET, record(39, 39))], NOW, RULES) is ClientClass.NONE
    assert class_of_client([(IP, None), (NET, record(40, 40))], NOW, RULES) is ClientClass.BAD
    assert class_of_client([(IP, record(3, 0)), (NET, record(40, 40))], NOW, RULES) is (
        ClientClass.BAD
    )


def test_nobody_is_judged_by_the_provider() -> None:
    asn = Key(Kind.ASN, "64500")
    assert class_of_client([(IP, None), (asn, record(1e6, 1e6))], NOW, RULES) is ClientClass.NONE


def test_bad_siblings_make_the_network_around_them_bad() -> None:
    keys = client_keys(ip_address("2001:db8::1"))
    some = noted(None, ["a", "b", "c"], NOW, RULES.forget_seconds)
    many = noted(some, ["d"], NOW, RULES.forget_seconds)
    for around, expected in ((some, ClientClass.NONE), (many, ClientClass.BAD)):
        known = list(zip(keys, (None, around, None), strict=True))
        assert class_of_client(known, NOW, RULES) is expected
    known = list(zip(keys, (record(20, 0), many, None), strict=True))
    assert class_of_client(known, NOW, RULES) is ClientClass.GOOD  # one that is known is itself
    assert opinion_of([(keys[1], many)], NOW, RULES).points > 0
    assert "4 bad networks" in opinion_of([(keys[1], many)], NOW, RULES).evidence


def test_a_proven_sender_can_be_good_and_a_claimed_one_cannot() -> None:
    good = record(50, 0)
    assert is_good_sender([(SENDER, good)], NOW, RULES)
    assert is_good_sender([(Key(Kind.DOMAIN, "b.example", proven=True), good)], NOW, RULES)
    assert not is_good_sender([(Key(Kind.SENDER, "a@b.example"), good), (IP, good)], NOW, RULES)
    assert not is_good_sender([(SENDER, record(50, 10))], NOW, RULES)


def test_points_are_the_weighted_mean_of_what_is_known() -> None:
    assert opinion_of([(SENDER, record(20, 20))], NOW, RULES).points == pytest.approx(2.0)
    assert opinion_of([(SENDER, record(20, 0))], NOW, RULES).points == pytest.approx(-2.0)
    assert opinion_of([(SENDER, record(20, 10))], NOW, RULES).points == 0.0
    both = [(SENDER, record(20, 0)), (IP, record(20, 20))]
    assert opinion_of(both, NOW, RULES).points == pytest.approx(2.0 * (4 - 10) / 14)


def test_a_lone_weak_word_counts_little() -> None:
    helo = Key(Kind.HELO, "mail.example")
    assert opinion_of([(helo, record(500, 500))], NOW, RULES).points == pytest.approx(2 * 0.5 / 6)
    assert opinion_of([(IP, record(20, 20))], NOW, RULES).points == pytest.approx(2 * 4 / 6)


def test_names_that_anybody_can_say_never_speak_for_a_message() -> None:
    for key in (Key(Kind.HELO, "x.example"), Key(Kind.DOMAIN, "x.example")):
        assert opinion_of([(key, record(500, 0))], NOW, RULES).points == 0.0
        assert opinion_of([(key, record(500, 500))], NOW, RULES).points > 0.0
    proven = Key(Kind.DOMAIN, "x.example", proven=True)
    assert opinion_of([(proven, record(500, 0))], NOW, RULES).points < 0.0


def test_the_evidence_is_what_said_most() -> None:
    known = [(SENDER, record(20, 1)), (IP, record(12, 12))]
    assert opinion_of(known, NOW, RULES).evidence == "a@b.example: 1 of 20 spam"
    known = [(SENDER, record(20, 11)), (IP, record(12, 12))]
    assert opinion_of(known, NOW, RULES).evidence == "192.0.2.5: 12 of 12 spam"


_KNOWN = st.tuples(
    st.builds(Key, st.sampled_from(Kind), st.just("x"), st.booleans()),
    st.none()
    | st.tuples(st.floats(0, 1e6), st.floats(0, 1)).map(
        lambda pair: record(pair[0], pair[0] * pair[1])
    ),
)


@given(st.lists(_KNOWN, max_size=10), st.floats(0, 10))
def test_points_never_leave_their_bounds(
    known: list[tuple[Key, Record | None]], weight: float
) -> None:
    rules = HistoryPolicy(weight=weight)
    assert abs(opinion_of(known, NOW, rules).points) <= weight + 1e-9


@given(st.sampled_from(Kind), st.floats(10, 1e4), st.floats(0, 1), st.floats(0, 1))
def test_more_spam_never_helps(kind: Kind, messages: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    key = Key(kind, "x", proven=True)
    points = [
        opinion_of([(key, record(messages, messages * share))], NOW, RULES).points
        for share in (less, more)
    ]
    assert points[0] <= points[1]


def test_every_kind_of_key_has_a_weight() -> None:
    assert set(WEIGHTS) == set(Kind)
