"""What the edge's services say, weighed into one decision a phase: tables, and what can never follow."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.client import ClientFacts
from mailweir_core.decision import Action, Decision
from mailweir_core.outcome import Advice, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.edge import (
    MessageFound,
    RecipientFacts,
    on_message,
    on_outage,
    on_recipient,
    on_screened,
)
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import OnOutage, policy_from

STRANGER = ClientFacts()
KNOWN = ClientFacts(known=True)
ALLOWED = ClientFacts(allowed=True)
OUTAGES = ("reputation", "greylist", "ratelimit")


def rules(**parts: Any) -> Rules:
    """Return rules of a policy with these parts."""
    return compile_rules(policy_from(parts), "v.1")


def says(
    check: str, advice: Advice = Advice.NONE, reason: Reason | None = None, detail: str = ""
) -> Outcome:
    """Return what a service that found something says."""
    return Outcome(check, Status.HIT, advice=advice, reason=reason, detail=detail)


def fine(check: str) -> Outcome:
    """Return what a service says that found nothing."""
    return Outcome(check, Status.OK)


def lost(check: str) -> Outcome:
    """Return what stands for a service that did not answer."""
    return Outcome(check, Status.TEMPERROR, detail="no answer in time")


LISTED = says("reputation", Advice.CLOSE, Reason.LISTED, "Some List")
BLOCKED = says("reputation", Advice.REJECT, Reason.BLOCKED)
MISSING = says("reputation", Advice.REJECT, Reason.SENDER_DOMAIN_MISSING)
TOO_FAST = says("ratelimit", Advice.CLOSE, Reason.RATE_LIMITED, "60 connections a minute of X")
TOO_MANY = says("ratelimit", Advice.DEFER, Reason.RATE_LIMITED, "50 recipients in 5 minutes")
LATER = says("greylist", Advice.DEFER, Reason.GREYLISTED)
WELCOME = Outcome("reputation", Status.OK, advice=Advice.ALLOW)
KNOWS_US = Outcome("reputation", Status.HIT, (Signal("CORRESPONDENT", -1.0, "edge"),))
FULL = says("ratelimit", Advice.HOLD, Reason.OVER_LIMIT, "the limit of 200 messages is reached")


def short(decision: Decision | None) -> tuple[int, str, Reason, bool] | None:
    """Return what a client notices of a decision."""
    if decision is None:
        return None
    return decision.reply.code, decision.reply.enhanced, decision.reason, decision.close


# -- connect


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((), None),
        ((fine("reputation"), fine("ratelimit")), None),
        ((LISTED, fine("ratelimit")), (554, "5.7.1", Reason.LISTED, True)),
        ((fine("reputation"), TOO_FAST), (421, "4.7.1", Reason.RATE_LIMITED, True)),
        ((LISTED, TOO_FAST), (554, "5.7.1", Reason.LISTED, True)),
        ((BLOCKED,), None),  # said to each recipient, one of whom may want it
        ((replace(BLOCKED, advice=Advice.CLOSE),), (554, "5.7.1", Reason.BLOCKED, True)),
        ((lost("reputation"), lost("ratelimit")), None),
        ((replace(TOO_FAST, status=Status.TEMPERROR),), None),
    ],
)
def test_a_client_comes_in_or_is_told_why_not(
    outcomes: tuple[Outcome, ...], expected: tuple[int, str, Reason, bool] | None
) -> None:
    assert short(on_screened(outcomes, STRANGER, rules())) == expected


def test_who_is_allowed_comes_in_whatever_is_said() -> None:
    assert on_screened((LISTED, TOO_FAST), ALLOWED, rules()) is None


def test_a_listed_client_may_be_asked_to_come_again() -> None:
    soft = rules(edge={"listed_temporary": True})
    assert short(on_screened((LISTED,), STRANGER, soft)) == (421, "4.7.1", Reason.LISTED, True)


def test_a_listed_client_may_come_in_and_be_refused_at_each_recipient() -> None:
    by_recipient = rules(edge={"listed": "reject"})
    assert on_screened((LISTED,), STRANGER, by_recipient) is None
    found = on_recipient(RecipientFacts(STRANGER, (LISTED,)), by_recipient)
    assert short(found.decision) == (554, "5.7.1", Reason.LISTED, False)


def test_a_limit_names_unit_and_state() -> None:
    decision = on_screened((TOO_FAST,), STRANGER, rules())
    assert decision is not None
    assert decision.reply.text == "Too much at once: 60 connections a minute of X"
    silent = on_screened((replace(TOO_FAST, detail=""),), STRANGER, rules())
    assert silent is not None
    assert silent.reply.text == "Too much at once: a limit is reached"


# -- RCPT


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (RecipientFacts(STRANGER), None),
        (RecipientFacts(STRANGER, (fine("reputation"),), fine("reputation")), None),
        (
            RecipientFacts(STRANGER, (MISSING,)),
            (550, "5.1.8", Reason.SENDER_DOMAIN_MISSING, False),
        ),
        (RecipientFacts(STRANGER, (), BLOCKED), (550, "5.7.1", Reason.BLOCKED, False)),
        (RecipientFacts(STRANGER, (), None, LATER), (451, "4.7.1", Reason.GREYLISTED, False)),
        (
            RecipientFacts(STRANGER, (), None, None, TOO_MANY),
            (450, "4.7.1", Reason.RATE_LIMITED, False),
        ),
        (
            RecipientFacts(STRANGER, (), None, None, None, TOO_FAST),
            (421, "4.7.1", Reason.RATE_LIMITED, True),
        ),
        # for good before for now, a limit before greylisting
        (
            RecipientFacts(STRANGER, (MISSING,), None, LATER, TOO_MANY),
            (550, "5.1.8", Reason.SENDER_DOMAIN_MISSING, False),
        ),
        (
            RecipientFacts(STRANGER, (), None, LATER, TOO_MANY),
            (450, "4.7.1", Reason.RATE_LIMITED, False),
        ),
        # for this recipient the sender is welcome, or known
        (RecipientFacts(STRANGER, (MISSING,), WELCOME, LATER), None),
        (RecipientFacts(KNOWN, (), None, LATER), None),
        (
            RecipientFacts(KNOWN, (MISSING,), None, LATER),
            (550, "5.1.8", Reason.SENDER_DOMAIN_MISSING, False),
        ),
        (RecipientFacts(STRANGER, (), KNOWS_US, LATER), None),
        (
            RecipientFacts(STRANGER, (MISSING,), KNOWS_US, LATER),
            (550, "5.1.8", Reason.SENDER_DOMAIN_MISSING, False),
        ),
        # a limit holds for the welcome, not for the allowed
        (
            RecipientFacts(STRANGER, (), WELCOME, None, TOO_MANY),
            (450, "4.7.1", Reason.RATE_LIMITED, False),
        ),
        (RecipientFacts(ALLOWED, (BLOCKED, MISSING), BLOCKED, LATER, TOO_MANY, TOO_FAST), None),
    ],
)
def test_a_recipient_is_taken_or_refused(
    facts: RecipientFacts, expected: tuple[int, str, Reason, bool] | None
) -> None:
    assert short(on_recipient(facts, rules()).decision) == expected


def test_the_hardest_refusal_is_said() -> None:
    waits = replace(BLOCKED, advice=Advice.DEFER)
    found = on_recipient(RecipientFacts(STRANGER, (waits, MISSING)), rules())
    assert short(found.decision) == (550, "5.1.8", Reason.SENDER_DOMAIN_MISSING, False)
    only = on_recipient(RecipientFacts(STRANGER, (waits,)), rules())
    assert short(only.decision) == (450, "4.7.1", Reason.BLOCKED, False)


@pytest.mark.parametrize(
    ("client", "own", "spared"),
    [
        (STRANGER, None, False),
        (STRANGER, fine("reputation"), False),
        (STRANGER, WELCOME, True),
        (STRANGER, KNOWS_US, True),
        (KNOWN, None, True),
        (ALLOWED, None, True),
    ],
)
def test_who_is_known_to_a_recipient_need_not_come_back_later_either(
    client: ClientFacts, own: Outcome | None, spared: bool
) -> None:
    assert on_recipient(RecipientFacts(client, (), own), rules()).spared is spared


def test_every_answer_on_a_recipient_goes_on() -> None:
    own, limit, count, later = (fine("reputation"), fine("ratelimit"), TOO_MANY, LATER)
    facts = RecipientFacts(STRANGER, (MISSING,), own, later, count, limit)
    assert on_recipient(facts, rules()).outcomes == (own, limit, count, later)


@pytest.mark.parametrize(
    ("detail", "wait", "close", "line"),
    [
        ("", 0.0, False, "451 4.7.1 Greylisted, please come back later"),
        ("", 169.2, False, "451 4.7.1 Greylisted, please come back later: 170 seconds left"),
        ("Wait: 5 seconds left", 169.2, False, "451 4.7.1 Wait: 5 seconds left"),
        ("", 0.0, True, "421 4.7.1 Greylisted, please come back later"),
    ],
)
def test_greylisting_says_how_long(detail: str, wait: float, close: bool, line: str) -> None:
    later = replace(LATER, detail=detail)
    facts = RecipientFacts(STRANGER, (), None, later, wait_seconds=wait)
    decision = on_recipient(facts, rules(greylist={"close": close})).decision
    assert decision is not None
    assert decision.reply.line() == line
    assert decision.close is close


def test_what_is_only_logged_defers_nobody() -> None:
    logged = Outcome("greylist", Status.HIT, detail="would wait 180 s, but is only logged")
    assert on_recipient(RecipientFacts(STRANGER, greylist=logged), rules()).decision is None


@pytest.mark.parametrize("check", OUTAGES)
@pytest.mark.parametrize(
    ("follows", "expected"),
    [
        ("skip", None),
        ("tempfail", (451, "4.3.0", Reason.CHECK_UNAVAILABLE, False)),
        ("hold", None),  # only once there is a message
    ],
)
def test_a_lost_check_leads_to_what_the_policy_says(
    check: str, follows: str, expected: tuple[int, str, Reason, bool] | None
) -> None:
    table = rules(degradation={check: follows})
    facts = {
        "reputation": RecipientFacts(STRANGER, (lost("reputation"),)),
        "greylist": RecipientFacts(STRANGER, greylist=lost("greylist")),
        "ratelimit": RecipientFacts(STRANGER, ratelimit=lost("ratelimit")),
    }[check]
    decision = on_recipient(facts, table).decision
    assert short(decision) == expected
    if decision is not None:
        assert decision.detail == f"{check}: no answer in time"


def test_a_lost_check_does_not_hold_up_who_is_welcome() -> None:
    table = rules(degradation={"reputation": "tempfail"})
    facts = RecipientFacts(STRANGER, (lost("reputation"),), WELCOME)
    assert on_recipient(facts, table).decision is None


def test_a_check_without_a_row_in_the_table_is_skipped() -> None:
    assert on_outage("weather", rules()) is OnOutage.SKIP


# -- the message


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (MessageFound(), None),
        (MessageFound((fine("greylist"),), fine("ratelimit")), None),
        (MessageFound((fine("greylist"), LATER)), (451, "4.7.1", Reason.GREYLISTED, False)),
        (MessageFound((), TOO_MANY), (450, "4.7.1", Reason.RATE_LIMITED, False)),
        (MessageFound((), FULL), (250, "2.0.0", Reason.OVER_LIMIT, False)),
        (MessageFound((LATER,), FULL), (250, "2.0.0", Reason.OVER_LIMIT, False)),
        (MessageFound((lost("greylist"),), lost("ratelimit")), None),
    ],
)
def test_a_message_is_taken_held_or_put_off(
    found: MessageFound, expected: tuple[int, str, Reason, bool] | None
) -> None:
    assert short(on_message(found, rules())) == expected


def test_mail_over_a_limit_is_held_with_clear_words() -> None:
    decision = on_message(MessageFound((), FULL), rules())
    assert decision is not None
    assert decision.action is Action.HOLD
    text = "Message held and not yet sent: the limit of 200 messages is reached"
    assert decision.reply.line("S-1") == f"250 2.0.0 {text} [S-1]"
    assert decision.detail == "the limit of 200 messages is reached"


def test_where_nothing_can_be_held_the_client_keeps_what_is_over_a_limit() -> None:
    nowhere = rules(quarantine={"active": False})
    decision = on_message(MessageFound((), FULL), nowhere)
    assert decision is not None
    assert decision.action is Action.DEFER
    assert short(decision) == (450, "4.7.1", Reason.OVER_LIMIT, False)


@pytest.mark.parametrize("check", OUTAGES)
def test_mail_of_which_a_check_was_lost_may_be_held(check: str) -> None:
    table = rules(degradation={check: "hold"})
    decision = on_message(MessageFound(session=(lost(check),)), table)
    assert decision is not None
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.UNSCANNED)
    assert check in decision.detail
    assert on_message(MessageFound(session=(lost(check),)), rules()) is None


def test_a_lost_count_may_put_mail_off() -> None:
    table = rules(degradation={"ratelimit": "tempfail"})
    decision = on_message(MessageFound((), lost("ratelimit")), table)
    assert short(decision) == (451, "4.3.0", Reason.CHECK_UNAVAILABLE, False)


def test_every_answer_on_a_message_goes_on() -> None:
    found = MessageFound((LATER,), FULL, session=(LISTED,))
    assert found.outcomes == (LISTED, LATER, FULL)
    assert MessageFound().outcomes == ()


# -- what can never follow

checks = st.sampled_from(OUTAGES)
without_an_answer = st.builds(
    Outcome,
    checks,
    st.sampled_from([Status.TEMPERROR, Status.SKIPPED]),
    advice=st.sampled_from(Advice),
    reason=st.none() | st.sampled_from(Reason),
    detail=st.text(max_size=20),
)
answers = st.builds(
    Outcome,
    checks,
    st.sampled_from(Status),
    advice=st.sampled_from(Advice),
    reason=st.none() | st.sampled_from(Reason),
    detail=st.text(max_size=20),
)
remedies = st.sampled_from(["off", "score", "greylist", "reject", "close"])
policies = st.builds(
    lambda listed, suspect, temporary, outages: rules(
        edge={
            "listed": listed,
            "listed_temporary": temporary,
            "suspects": dict.fromkeys(
                ("no_reverse_name", "helo_lies", "sender_domain_missing", "spf_fail"), suspect
            ),
        },
        degradation=dict(zip(OUTAGES, outages, strict=True)),
    ),
    remedies,
    remedies,
    st.booleans(),
    st.tuples(*[st.sampled_from(["skip", "tempfail", "hold"])] * 3),
)
clients = st.builds(ClientFacts, known=st.booleans(), allowed=st.booleans())


def all_decisions(
    outcomes: tuple[Outcome, ...], own: Outcome | None, client: ClientFacts, policy: Rules
) -> list[Decision]:
    """Return what every phase makes of the same outcomes."""
    one = outcomes[0] if outcomes else None
    decisions = (
        on_screened(outcomes, client, policy),
        on_recipient(RecipientFacts(client, outcomes, own, one, one, one), policy).decision,
        on_message(MessageFound(outcomes, one, session=outcomes), policy),
    )
    return [decision for decision in decisions if decision is not None]


@given(st.lists(without_an_answer, max_size=4).map(tuple), clients, policies)
def test_what_could_not_be_found_out_never_refuses_for_good(
    outcomes: tuple[Outcome, ...], client: ClientFacts, policy: Rules
) -> None:
    own = outcomes[-1] if outcomes else None
    for decision in all_decisions(outcomes, own, client, policy):
        assert decision.reply.code < 500
        assert decision.action is not Action.REJECT
        assert decision.reason in (Reason.CHECK_UNAVAILABLE, Reason.UNSCANNED)


@given(st.lists(answers, max_size=4).map(tuple), st.none() | answers, clients, policies)
def test_codes_and_actions_always_agree(
    outcomes: tuple[Outcome, ...], own: Outcome | None, client: ClientFacts, policy: Rules
) -> None:
    for decision in all_decisions(outcomes, own, client, policy):
        kind = {Action.REJECT: 5, Action.DEFER: 4, Action.HOLD: 2}[decision.action]
        assert decision.reply.code // 100 == kind
        assert decision.reply.enhanced.startswith(f"{kind}.")
        assert decision.close or decision.reply.code != 421


@given(st.lists(answers, max_size=4).map(tuple), st.none() | answers, policies)
def test_no_answer_turns_an_allowed_client_away(
    outcomes: tuple[Outcome, ...], own: Outcome | None, policy: Rules
) -> None:
    one = outcomes[0] if outcomes else None
    assert on_screened(outcomes, ALLOWED, policy) is None
    facts = RecipientFacts(ALLOWED, outcomes, own, one, one, one)
    assert on_recipient(facts, policy).decision is None
