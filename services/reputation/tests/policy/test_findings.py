"""What several findings come to."""

from hypothesis import given, strategies as st

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Lookup, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_reputation.policy.findings import (
    NOTHING,
    Finding,
    exempt,
    facts_after,
    merge,
    outcome_of,
)

LISTED = Finding(
    (Signal("LIST_A", 4.0, "lists"),), Advice.CLOSE, Reason.LISTED, "List A", suspicion=4.0
)
NAMELESS = Finding((Signal("NO_PTR", 1.0, "edge"),), suspicion=1.0, host="")
PUT_OFF = Finding(advice=Advice.DEFER, reason=Reason.LISTED, detail="List B")
ALLOWED = Finding(allowed=True, known=True, advice=Advice.ALLOW, detail="by 203.0.113.0/24")
FAILED = Finding(failed="no DNS list answers", valid_seconds=0.0)


def test_nothing_comes_to_nothing() -> None:
    assert merge(()) == NOTHING
    assert outcome_of(NOTHING, 0.1).status is Status.OK


def test_the_hardest_advice_holds_with_its_own_reason_and_words() -> None:
    for order in ((LISTED, NAMELESS, PUT_OFF), (PUT_OFF, LISTED, NAMELESS)):
        found = merge(order)
        assert (found.advice, found.reason, found.detail) == (
            Advice.CLOSE, Reason.LISTED, "List A",
        )  # fmt: skip
        assert found.suspicion == 5.0
        assert {s.name for s in found.signals} == {"LIST_A", "NO_PTR"}


def test_whoever_is_allowed_is_refused_by_nobody() -> None:
    found = merge((LISTED, ALLOWED, NAMELESS))
    assert (found.advice, found.reason, found.suspicion) == (Advice.ALLOW, None, 0.0)
    assert len(found.signals) == 2  # they are still told
    outcome = outcome_of(found, 0.1)
    assert outcome.advice is Advice.ALLOW


def test_what_could_not_be_found_out_is_told_while_nothing_decides() -> None:
    both = outcome_of(merge((NAMELESS, FAILED)), 0.1)
    assert (both.status, both.detail) == (Status.TEMPERROR, "no DNS list answers")
    assert len(both.signals) == 1
    decided = outcome_of(merge((FAILED, LISTED)), 0.1)
    assert (decided.status, decided.detail) == (Status.HIT, "List A")
    assert outcome_of(merge((FAILED, ALLOWED)), 0.1).status is Status.OK
    assert outcome_of(NAMELESS, 0.1).status is Status.HIT


def test_facts_are_added_to_what_was_known() -> None:
    known = ClientFacts(ClientClass.GOOD, "mx.example.org", 64500, "pass", "example.org", 1.0)
    same = facts_after(known, Finding(suspicion=2.0))
    assert same == ClientFacts(
        ClientClass.GOOD, "mx.example.org", 64500, "pass", "example.org", 3.0
    )
    other = Finding(client_class=ClientClass.BAD, spf="fail", spf_domain="", known=True, asn=1)
    after = facts_after(known, other)
    assert (after.client_class, after.spf, after.spf_domain) == (ClientClass.BAD, "fail", "")
    assert (after.known, after.allowed, after.asn, after.host) == (True, False, 1, known.host)
    assert facts_after(ClientFacts(known=True), NOTHING).known


def test_a_finding_holds_for_the_shortest_of_its_parts() -> None:
    assert merge((Finding(valid_seconds=60.0), NAMELESS)).valid_seconds == 60.0
    assert merge((Finding(valid_seconds=60.0), FAILED)).valid_seconds == 0.0
    assert merge((NAMELESS,)).valid_seconds is None


def test_whom_nobody_asks_about() -> None:
    assert exempt("a proxy").status is Status.SKIPPED


findings = st.builds(
    Finding,
    advice=st.sampled_from(Advice),
    suspicion=st.integers(0, 9).map(float),
    known=st.booleans(),
    allowed=st.booleans(),
    failed=st.sampled_from(["", "x"]),
    lookups=st.lists(st.builds(Lookup, st.just("dns"), st.text(), st.text()), max_size=2).map(
        tuple
    ),
    valid_seconds=st.none() | st.floats(0, 100),
)


@given(st.lists(findings, max_size=5), st.randoms())
def test_order_changes_no_decision(parts: list[Finding], chance: object) -> None:
    one = merge(parts)
    shuffled = list(parts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    other = merge(shuffled)
    assert (one.refuses, one.allowed, one.known, one.suspicion, one.valid_seconds) == (
        other.refuses, other.allowed, other.known, other.suspicion, other.valid_seconds,
    )  # fmt: skip
    assert len(one.lookups) == sum(len(part.lookups) for part in parts)
    if one.allowed:
        assert not one.refuses


def test_what_an_entry_allowed_may_not_hold_for_a_sender() -> None:
    client = ClientFacts(known=True, allowed=True, host="mx.example.org")
    after = facts_after(client, merge([Finding(forfeits=True), Finding()]))
    assert (after.known, after.allowed, after.host) == (False, False, "mx.example.org")
    again = facts_after(client, merge([Finding(forfeits=True), Finding(known=True)]))
    assert (again.known, again.allowed) == (True, False)
