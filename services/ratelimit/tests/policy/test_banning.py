"""How long a ban lasts, what it says, what it grows to."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.bans import MAX_EVIDENCE, OffenceKind
from mailweir_policy import Policy
from mailweir_policy.ratelimit import IntrusionPolicy
from mailweir_ratelimit.policy.banning import (
    Step,
    ban_seconds,
    is_full,
    make_ban,
    steps,
    widened,
)
from mailweir_ratelimit.policy.evidence import NOUNS, clean, evidence
from mailweir_ratelimit.policy.intrusion import Charge, Offence, login_charge, weigh
from mailweir_ratelimit.policy.protected import protect
from mailweir_ratelimit.policy.tally import MAX_SAMPLE, Mark, Tally, Window

NOW = 1_750_000_000.0
POLICY = IntrusionPolicy()
FIVE = Tally((Mark(NOW - 12, 4), Mark(NOW, 1)), ("a@example.com", "b@example.com"))


def charge(kind: OffenceKind = OffenceKind.UNKNOWN_USER, ip: str = "192.0.2.5") -> Charge:
    found = weigh(Offence(kind, ip, ref="01REF", measure=1e9), POLICY, protect(Policy()))
    assert isinstance(found, Charge)
    return found


@pytest.mark.parametrize(
    ("strikes", "hours"), [(0, 4), (1, 4), (2, 8), (3, 16), (4, 24), (5, 24), (10**9, 24)]
)
def test_each_ban_in_a_row_is_twice_as_long_up_to_a_day(strikes: int, hours: float) -> None:
    assert ban_seconds(POLICY, strikes) == hours * 3600


@given(st.integers(-5, 10**12), st.floats(1, 1e7), st.floats(1, 1e7))
def test_doubling_is_bounded(strikes: int, first: float, longest: float) -> None:
    policy = IntrusionPolicy(ban_seconds=first, ban_longest_seconds=longest)
    assert ban_seconds(policy, strikes) <= longest
    assert ban_seconds(policy, strikes) <= ban_seconds(policy, strikes + 1)


def test_a_ban_says_what_it_is_for() -> None:
    ban = make_ban(charge(), FIVE, POLICY, 1, NOW)
    assert ban.subject == "192.0.2.5/32"
    assert ban.kind is OffenceKind.UNKNOWN_USER
    assert ban.until - ban.since == 14_400
    assert ban.close_all
    assert ban.by == "intrusion"
    assert ban.evidence == ("5 × unknown recipient in 12 s: a@example.com, b@example.com [01REF]")


def test_close_all_is_a_choice() -> None:
    policy = IntrusionPolicy(close_all=False)
    assert not make_ban(charge(), FIVE, policy, 1, NOW).close_all


def test_a_pause_of_a_login_is_short_does_not_double_and_closes_nothing() -> None:
    tried = Offence(OffenceKind.LOGIN, "192.0.2.5", login="Bob@Example.com")
    found = weigh(tried, POLICY, protect(Policy()))
    assert isinstance(found, Charge)
    pause = login_charge(found, POLICY)
    assert pause is not None
    ban = make_ban(pause, FIVE, POLICY, 7, NOW)
    assert ban.account == "bob@example.com from 192.0.2.5/32"
    assert ban.until - ban.since == 600
    assert not ban.close_all


@pytest.mark.parametrize("kind", list(OffenceKind))
def test_every_kind_has_words_of_its_own(kind: OffenceKind) -> None:
    text = evidence(kind, Tally((Mark(NOW, 1),)), 20.0, "", NOW)
    assert text
    assert "{" not in text
    assert len(set(NOUNS.values())) == len(NOUNS)


@given(
    st.sampled_from(OffenceKind),
    st.lists(st.text(max_size=MAX_SAMPLE), max_size=4),
    st.integers(1, 10**9),
    st.text(max_size=40),
)
def test_evidence_is_bounded(kind: OffenceKind, samples: list[str], count: int, ref: str) -> None:
    tally = Tally((Mark(NOW - 5, count),), tuple(samples))
    assert len(evidence(kind, tally, 104_857_600.0, ref, NOW)) <= MAX_EVIDENCE


@given(st.text(max_size=500), st.integers(1, 300))
def test_a_clients_text_has_no_controls_and_is_bounded(text: str, most: int) -> None:
    found = clean(text, most)
    assert found.isprintable()
    assert len(found) <= most


def test_controls_and_directions_are_replaced() -> None:
    assert clean("a\r\nb\x1b[31m\u202ec", 50) == "a??b?[31m?c"
    assert clean("  spaces   here ", 50) == "spaces here"
    assert clean("abcdef", 4) == "abc…"


def test_a_tally_is_full_at_its_count() -> None:
    assert is_full(FIVE, Window(5, 60.0))
    assert not is_full(FIVE, Window(6, 60.0))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("192.0.2.5/32", [("192.0.2.0/24", "192.0.2.5/32")]),
        (
            "2001:db8:0:1::/64",
            [("2001:db8::/56", "2001:db8:0:1::/64"), ("2001:db8::/48", "2001:db8::/56")],
        ),
        ("192.0.2.0/24", []),
        ("2001:db8::1/128", []),
        ("2001:db8::/48", []),
    ],
)
def test_what_a_ban_grows_to(network: str, expected: list[tuple[str, str]]) -> None:
    found = [(str(s.parent), str(s.member)) for s in steps(ip_network(network))]
    assert found == expected


def test_a_wider_ban_names_what_lies_within() -> None:
    cause = make_ban(charge(), FIVE, POLICY, 1, NOW)
    step = Step(ip_network("192.0.2.0/24"), ip_network("192.0.2.5/32"))
    ban = widened(step, ["192.0.2.4/32", "192.0.2.5/32"], cause, POLICY, 2)
    assert ban.subject == "192.0.2.0/24"
    assert ban.evidence == "bans within 2 of its networks: 192.0.2.4/32, 192.0.2.5/32"
    assert ban.until - ban.since == 28_800
    assert ban == replace(
        cause, subject=ban.subject, evidence=ban.evidence, until=ban.until, strikes=2
    )


@given(st.lists(st.text(max_size=43), max_size=1000))
def test_the_evidence_of_a_wider_ban_is_bounded(members: list[str]) -> None:
    cause = make_ban(charge(), FIVE, POLICY, 1, NOW)
    step = Step(ip_network("192.0.2.0/24"), ip_network("192.0.2.5/32"))
    assert len(widened(step, members, cause, POLICY, 1).evidence) <= MAX_EVIDENCE
