"""How an entry changes: tables, and a machine that plays clients against it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mailweir_core.client import ClientFacts
from mailweir_core.record import Listener, Session
from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.keys import Triplet, identity, triplets
from mailweir_greylist.policy.question import Question
from mailweir_greylist.policy.steps import (
    NOTE_SECONDS,
    ONCE_SECONDS,
    RENEW_SECONDS,
    Found,
    Step,
    authorised,
    counted,
    renewed,
    step,
    wait_of,
)
from mailweir_policy.greylist import GreylistPolicy

Ask = Callable[..., Question]
POLICY = GreylistPolicy()
NOW = 1_750_000_000.0


def about(question: Question) -> Triplet:
    (what,) = triplets(question, POLICY)
    return what


def first(question: Question, now: float = NOW) -> Entry:
    made = step(None, about(question), question, POLICY, now)
    assert (made.found, made.must) == (Found.FIRST, True)
    assert made.entry is not None
    return made.entry


@pytest.mark.parametrize(
    ("weight", "wait"),
    [(0, 180), (4, 180), (7.9, 180), (8, 540), (11.9, 540), (12, 1080), (100, 1080)],
)
def test_the_wait_by_weight(weight: float, wait: float) -> None:
    assert wait_of(weight, POLICY) == wait


def test_suspicion_scales_the_wait_as_the_score_does(ask: Ask) -> None:
    assert first(ask(suspicion=9.0)).due_at == NOW + 540
    assert first(ask(suspicion=3.0, score=12.0)).due_at == NOW + 1080


def test_an_early_retry_neither_resets_nor_extends(ask: Ask) -> None:
    entry = first(ask())
    made = step(entry, about(ask()), ask(suspicion=50.0), POLICY, NOW + 100)
    assert (made.found, made.wait, made.must) == (Found.EARLY, 80, False)
    assert made.entry == replace(entry, last_at=NOW + 100, attempts=2)


def test_early_retries_are_noted_once_in_a_while(ask: Ask) -> None:
    entry = first(ask())
    made = step(entry, about(ask()), ask(), POLICY, NOW + NOTE_SECONDS - 1)
    assert (made.found, made.entry) == (Found.EARLY, None)


def test_the_return_in_time_authorises(ask: Ask) -> None:
    made = step(first(ask()), about(ask()), ask(), POLICY, NOW + 180)
    assert (made.found, made.wait, made.must) == (Found.RETURNED, 0.0, True)
    entry = made.entry
    assert entry is not None
    assert (entry.state, entry.passes, entry.attempts) == (State.AUTHORISED, 1, 2)
    assert entry.expires_at == NOW + 180 + POLICY.authorised_seconds


def returned(ask: Ask) -> Entry:
    made = step(first(ask()), about(ask()), ask(), POLICY, NOW + 180).entry
    assert made is not None
    return made


def test_an_authorisation_is_renewed_by_use_now_and_then(ask: Ask) -> None:
    entry = returned(ask)
    soon = step(entry, about(ask()), ask(), POLICY, NOW + 200)
    assert (soon.found, soon.entry, soon.must) == (Found.AUTHORISED, None, False)
    at = NOW + 180 + RENEW_SECONDS
    later = step(entry, about(ask()), ask(), POLICY, at)
    assert later.entry == replace(
        entry, last_at=at, expires_at=at + POLICY.authorised_seconds, attempts=3, passes=2
    )


@pytest.mark.parametrize("after", [172_800.0, 172_801.0])
def test_pending_runs_out(ask: Ask, after: float) -> None:
    assert step(first(ask()), about(ask()), ask(), POLICY, NOW + after).found is Found.FIRST


def test_an_authorisation_that_is_not_used_runs_out(ask: Ask) -> None:
    at = NOW + 180 + POLICY.authorised_seconds
    assert step(returned(ask), about(ask()), ask(), POLICY, at).found is Found.FIRST


def test_the_contents_score_lengthens_from_the_same_beginning(ask: Ask) -> None:
    entry = returned(ask)  # after 180 s at RCPT; now its data scores 9
    made = step(entry, about(ask()), ask(score=9.0), POLICY, NOW + 181)
    assert (made.found, made.must) == (Found.LENGTHENED, True)
    assert made.wait == pytest.approx(540 - 181)
    late = made.entry
    assert late is not None
    assert (late.state, late.due_at) == (State.PENDING, NOW + 540)
    assert step(late, about(ask()), ask(), POLICY, NOW + 400).found is Found.EARLY
    back = step(late, about(ask()), ask(score=9.0), POLICY, NOW + 540)
    assert back.found is Found.RETURNED
    assert back.entry is not None
    assert back.entry.passes == 2  # it counts once for its client


def test_a_score_of_later_mail_lengthens_nothing(ask: Ask) -> None:
    made = step(returned(ask), about(ask()), ask(score=99.0), POLICY, NOW + 1080)
    assert made.found is Found.AUTHORISED


def test_who_is_let_through_by_hand_comes_in_at_once_whatever_it_scores(ask: Ask) -> None:
    entry = authorised(first(ask()), "admin", POLICY, NOW + 10)
    assert (entry.state, entry.by) == (State.AUTHORISED, "admin")
    for question in (ask(), ask(score=14.0)):
        assert step(entry, about(ask()), question, POLICY, NOW + 11).found is Found.AUTHORISED
    used = step(entry, about(ask()), ask(), POLICY, NOW + 11).entry
    assert used is not None
    assert (used.passes, used.by) == (1, "admin")


def client_after(ask: Ask, returns: list[float], **facts: float) -> Entry:
    entry = None
    for at in returns:
        entry = counted(entry, "c", ask(**facts), POLICY, NOW + at) or entry
    assert entry is not None
    return entry


def test_a_client_is_exempt_after_five_returns(ask: Ask) -> None:
    days = [n * 86_401.0 for n in range(5)]
    assert client_after(ask, days[:4]).state is State.COUNTED
    entry = client_after(ask, days)
    assert (entry.state, entry.passes, entry.due_at) == (State.EXEMPT, 5, NOW + days[4])
    assert entry.first_at == NOW
    assert entry.expires_at == NOW + days[4] + POLICY.exempt_seconds


def test_an_unsuspicious_client_is_exempt_after_two_within_a_day(ask: Ask) -> None:
    assert client_after(ask, [0, 86_400], suspicion=0.0).state is State.EXEMPT
    assert client_after(ask, [0, 86_401], suspicion=0.0).state is State.COUNTED
    assert client_after(ask, [0, 100], suspicion=3.0).state is State.COUNTED


def test_exemption_can_be_switched_off(ask: Ask) -> None:
    never = GreylistPolicy(exempt_after=0)
    entry = None
    for n in range(20):
        entry = counted(entry, "c", ask(suspicion=0.0), never, NOW + n * 100)
    assert entry is not None
    assert entry.state is State.COUNTED
    only_many = GreylistPolicy(exempt_twice_a_day=False)
    one = counted(None, "c", ask(suspicion=0.0), only_many, NOW)
    two = counted(one, "c", ask(suspicion=0.0), only_many, NOW + 100)
    assert two is not None
    assert (two.state, two.passes) == (State.COUNTED, 2)


def test_returns_at_the_same_time_count_once(ask: Ask) -> None:
    entry = client_after(ask, [0, 1, 30, 59.9], suspicion=0.0)
    assert (entry.passes, entry.state) == (1, State.COUNTED)
    assert counted(entry, "c", ask(), POLICY, NOW + ONCE_SECONDS - 0.1) is None
    assert client_after(ask, [0, ONCE_SECONDS], suspicion=0.0).state is State.EXEMPT


def test_an_exemption_by_hand_and_its_renewal(ask: Ask) -> None:
    entry = authorised(client_after(ask, [0]), "admin", POLICY, NOW + 5)
    assert (entry.state, entry.by) == (State.EXEMPT, "admin")
    assert renewed(entry, POLICY, NOW + 10) is None
    later = renewed(entry, POLICY, NOW + RENEW_SECONDS)
    assert later is not None
    assert later.expires_at == NOW + RENEW_SECONDS + POLICY.exempt_seconds


def question_from(ip: str, spf_domain: str, suspicion: float, score: float | None) -> Question:
    spf = "pass" if spf_domain else ""
    facts = ClientFacts(suspicion=suspicion, spf=spf, spf_domain=spf_domain)
    return Question(
        Session("s", Listener.MX, ip), facts, "a@example.net", ("bob@example.com",), score
    )


class Clients(RuleBasedStateMachine):
    """Clients that try as they like, against entries as the store would keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.entries: dict[str, Entry] = {}
        self.promised: dict[str, float] = {}  # by when it was told that it may come
        self.tries: dict[str, int] = {}

    def ask_of(self, question: Question) -> tuple[str, Step]:
        (what,) = triplets(question, POLICY)
        before = self.entries.get(what.key)
        alive = before is not None and before.lives(self.now)
        made = step(before, what, question, POLICY, self.now)
        if made.entry is not None:
            self.entries[what.key] = made.entry
        self.tries[what.key] = self.tries.get(what.key, 0) + 1 if alive else 1
        return what.key, made

    @rule(seconds=st.floats(0.001, 400))
    def a_while(self, seconds: float) -> None:
        self.now += seconds

    @rule(hours=st.integers(1, 60))
    def a_long_while(self, hours: int) -> None:
        self.now += hours * 3600.0

    @rule(host=st.integers(0, 19), suspicion=st.floats(2, 20))
    def a_pool_tries(self, host: int, suspicion: float) -> None:
        self.tries_at_rcpt(f"192.0.{host}.1", "example.net", suspicion)

    @rule(last=st.integers(1, 200), suspicion=st.floats(2, 20))
    def one_without_spf_tries(self, last: int, suspicion: float) -> None:
        self.tries_at_rcpt(f"198.51.100.{last}", "", suspicion)

    def tries_at_rcpt(self, ip: str, domain: str, suspicion: float) -> None:
        key, made = self.ask_of(question_from(ip, domain, suspicion, None))
        promised = self.promised.get(key)
        if made.found is Found.FIRST:
            self.promised[key] = self.now + made.wait
        elif made.found is Found.EARLY:
            assert promised is not None
            assert self.now + made.wait == pytest.approx(promised)  # neither reset nor extended
        else:
            assert promised is not None
            assert self.now >= promised - 0.01  # nobody comes in before its time
            assert self.tries[key] > 1  # nor at its first try

    @rule(last=st.integers(1, 200), score=st.floats(4, 15))
    def the_content_counts(self, last: int, score: float) -> None:
        key, made = self.ask_of(question_from(f"198.51.100.{last}", "", 2.0, score))
        if made.wait:
            promised = self.now + made.wait
            before = self.promised.get(key, 0.0)
            assert made.found is Found.FIRST or promised >= before - 0.01
            self.promised[key] = promised

    @invariant()
    def a_pool_is_one_client_and_a_network_another(self) -> None:
        assert len(self.entries) <= 2

    @invariant()
    def no_wait_is_longer_than_the_longest(self) -> None:
        for entry in self.entries.values():
            assert entry.due_at - entry.first_at <= wait_of(99, POLICY) + 0.01


Clients.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestClients = Clients.TestCase


def test_twenty_addresses_of_one_spf_domain_are_one_client() -> None:
    seen = {identity(question_from(f"192.0.{n}.{n}", "example.net", 3.0, None)) for n in range(20)}
    assert seen == {"spf:example.net"}
