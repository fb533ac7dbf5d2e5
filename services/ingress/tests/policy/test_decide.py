"""What becomes of a message, as a table."""

from dataclasses import replace

import pytest

from mailweir_core.decision import Action
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.decide import decide, shape_refusal
from mailweir_ingress.policy.edge import MessageFound
from mailweir_ingress.policy.facts import ContentVerdict, MessageFacts, Shape
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import policy_from

SHAPE = Shape(bytes=4000, header_lines=20, hops=3)


def rules(**parts: dict[str, object]) -> Rules:
    """Return rules of a policy with these parts."""
    return compile_rules(policy_from(parts), "v.1")


def verdict(action: Action, reason: Reason, status: Status = Status.HIT) -> ContentVerdict:
    """Return a verdict."""
    return ContentVerdict(status, action, reason, detail="why")


CLEAN = MessageFacts(SHAPE, verdict=verdict(Action.ACCEPT, Reason.CLEAN, Status.OK))
NO_VERDICT = verdict(Action.DEFER, Reason.SCORING_UNAVAILABLE, Status.TEMPERROR)


@pytest.mark.parametrize(
    ("found", "action", "code", "reason"),
    [
        (verdict(Action.ACCEPT, Reason.CLEAN, Status.OK), Action.ACCEPT, 250, Reason.CLEAN),
        (verdict(Action.ACCEPT, Reason.SUSPICIOUS), Action.ACCEPT, 250, Reason.SUSPICIOUS),
        (verdict(Action.TAG, Reason.SUSPICIOUS), Action.TAG, 250, Reason.SUSPICIOUS),
        (verdict(Action.HOLD, Reason.SPAM), Action.HOLD, 250, Reason.SPAM),
        (verdict(Action.REJECT, Reason.GTUBE), Action.REJECT, 550, Reason.GTUBE),
        (verdict(Action.REJECT, Reason.SPAM), Action.REJECT, 550, Reason.SPAM),
        (verdict(Action.DISCARD, Reason.DISCARDED), Action.DISCARD, 250, Reason.DISCARDED),
        (
            verdict(Action.DEFER, Reason.SCORING_UNAVAILABLE),
            Action.DEFER,
            451,
            Reason.SCORING_UNAVAILABLE,
        ),
        (NO_VERDICT, Action.DEFER, 451, Reason.SCORING_UNAVAILABLE),
    ],
)
def test_the_verdict_decides(
    found: ContentVerdict, action: Action, code: int, reason: Reason
) -> None:
    decision = decide(replace(CLEAN, verdict=found), rules())
    assert (decision.action, decision.reply.code, decision.reason) == (action, code, reason)
    assert decision.reply.enhanced.startswith(f"{code // 100}.")


def test_a_refusal_as_spam_is_policy_whoever_sent_it() -> None:
    decision = decide(replace(CLEAN, verdict=verdict(Action.REJECT, Reason.SPAM)), rules())
    assert decision.reply.enhanced == "5.7.1"


def test_an_exempt_message_is_taken_without_a_verdict() -> None:
    decision = decide(MessageFacts(SHAPE, exempt=True), rules())
    assert (decision.action, decision.reason) == (Action.ACCEPT, Reason.EXEMPT)


@pytest.mark.parametrize(
    ("shape", "reason", "enhanced"),
    [
        (replace(SHAPE, bytes=26_214_401), Reason.TOO_BIG, "5.3.4"),
        (replace(SHAPE, header_lines=1001), Reason.BAD_HEADERS, "5.6.0"),
        (replace(SHAPE, hops=51), Reason.LOOP, "5.4.6"),
        (replace(SHAPE, longest_line=999), Reason.LINE_TOO_LONG, "5.6.0"),
        (replace(SHAPE, bare_newline=True), Reason.BARE_NEWLINE, "5.6.0"),
    ],
)
def test_a_bad_shape_is_refused_whatever_the_verdict(
    shape: Shape, reason: Reason, enhanced: str
) -> None:
    strict = rules(message={"line_bytes": 998, "bare_newline": "reject"})
    for facts in (replace(CLEAN, shape=shape), MessageFacts(shape, exempt=True)):
        decision = decide(facts, strict)
        assert (decision.action, decision.reason) == (Action.REJECT, reason)
        assert decision.reply.enhanced == enhanced
        assert shape_refusal(shape, strict) == decision


@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        replace(SHAPE, bytes=26_214_400),
        replace(SHAPE, header_lines=1000),
        replace(SHAPE, hops=50),
        replace(SHAPE, longest_line=10_000_000),
        replace(SHAPE, bare_newline=True),
    ],
)
def test_at_the_limit_a_message_is_good(shape: Shape) -> None:
    assert shape_refusal(shape, rules()) is None
    assert decide(replace(CLEAN, shape=shape), rules()).reason is Reason.CLEAN


@pytest.mark.parametrize("found", [None, NO_VERDICT, replace(NO_VERDICT, status=Status.SKIPPED)])
@pytest.mark.parametrize(
    ("on_outage", "attempts", "action", "reason"),
    [
        ("tempfail", 1, Action.DEFER, Reason.SCORING_UNAVAILABLE),
        ("tempfail", 2, Action.DEFER, Reason.SCORING_UNAVAILABLE),
        ("tempfail", 3, Action.HOLD, Reason.UNSCANNED),
        ("tempfail", 9, Action.HOLD, Reason.UNSCANNED),
        ("hold", 1, Action.HOLD, Reason.UNSCANNED),
        ("skip", 1, Action.ACCEPT, Reason.SCORING_UNAVAILABLE),
        ("skip", 9, Action.ACCEPT, Reason.SCORING_UNAVAILABLE),
    ],
)
def test_without_a_verdict_the_policy_says_what_follows(
    found: ContentVerdict | None, on_outage: str, attempts: int, action: Action, reason: Reason
) -> None:
    facts = MessageFacts(SHAPE, verdict=found, attempts=attempts)
    decision = decide(facts, rules(degradation={"scoring": on_outage, "hold_after_attempts": 3}))
    assert (decision.action, decision.reason) == (action, reason)


def test_a_stage_that_wants_the_client_back_gets_its_way_until_it_is_too_often() -> None:
    facts = replace(CLEAN, verdict=verdict(Action.DEFER, Reason.UNSCANNED))
    assert decide(facts, rules()).action is Action.DEFER
    assert decide(replace(facts, attempts=3), rules()).action is Action.HOLD


def test_without_a_quarantine_what_would_be_held_is_tagged() -> None:
    off = rules(quarantine={"active": False}, degradation={"scoring": "hold"})
    spam = decide(replace(CLEAN, verdict=verdict(Action.HOLD, Reason.SPAM)), off)
    assert (spam.action, spam.reason) == (Action.TAG, Reason.SPAM)
    unscanned = decide(MessageFacts(SHAPE), off)
    assert (unscanned.action, unscanned.reason) == (Action.TAG, Reason.UNSCANNED)
    rejected = decide(replace(CLEAN, verdict=verdict(Action.REJECT, Reason.SPAM)), off)
    assert rejected.action is Action.REJECT


def test_a_broken_verdict_never_lets_mail_through_as_clean() -> None:
    broken = replace(CLEAN, verdict=verdict(Action.ACCEPT, Reason.CLEAN, Status.TEMPERROR))
    assert decide(broken, rules()).action is Action.DEFER


LATER = MessageFound((Outcome("greylist", Status.HIT, (), Advice.DEFER, Reason.GREYLISTED),))
FULL = MessageFound(
    ratelimit=Outcome("ratelimit", Status.HIT, (), Advice.HOLD, Reason.OVER_LIMIT, "200 a day")
)
LOST = MessageFound(session=(Outcome("reputation", Status.TEMPERROR),))


@pytest.mark.parametrize(
    ("content", "edge", "action", "reason"),
    [
        (CLEAN, LATER, Action.DEFER, Reason.GREYLISTED),
        (CLEAN, FULL, Action.HOLD, Reason.OVER_LIMIT),
        (CLEAN, LOST, Action.ACCEPT, Reason.CLEAN),
        (MessageFacts(SHAPE, exempt=True), FULL, Action.HOLD, Reason.OVER_LIMIT),
        (MessageFacts(SHAPE, exempt=True), LATER, Action.DEFER, Reason.GREYLISTED),
        (
            replace(CLEAN, verdict=verdict(Action.TAG, Reason.SUSPICIOUS)),
            FULL,
            Action.HOLD,
            Reason.OVER_LIMIT,
        ),
        # what is held as spam is not let out when a limit has room again
        (replace(CLEAN, verdict=verdict(Action.HOLD, Reason.SPAM)), FULL, Action.HOLD, Reason.SPAM),
        (
            replace(CLEAN, verdict=verdict(Action.HOLD, Reason.SPAM)),
            LATER,
            Action.DEFER,
            Reason.GREYLISTED,
        ),
        (
            replace(CLEAN, verdict=verdict(Action.REJECT, Reason.SPAM)),
            LATER,
            Action.REJECT,
            Reason.SPAM,
        ),
        (
            replace(CLEAN, verdict=verdict(Action.DISCARD, Reason.DISCARDED)),
            FULL,
            Action.DISCARD,
            Reason.DISCARDED,
        ),
        (replace(CLEAN, verdict=NO_VERDICT), FULL, Action.DEFER, Reason.SCORING_UNAVAILABLE),
    ],
)
def test_the_edge_may_put_off_or_hold_what_the_content_lets_in(
    content: MessageFacts, edge: MessageFound, action: Action, reason: Reason
) -> None:
    decision = decide(replace(content, edge=edge), rules())
    assert (decision.action, decision.reason) == (action, reason)


def test_a_lost_check_may_hold_clean_mail() -> None:
    hold = rules(degradation={"reputation": "hold"})
    decision = decide(replace(CLEAN, edge=LOST), hold)
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.UNSCANNED)
    nowhere = rules(degradation={"reputation": "hold"}, quarantine={"active": False})
    assert decide(replace(CLEAN, edge=LOST), nowhere).action is Action.TAG


def test_over_a_limit_without_a_quarantine_nothing_slips_out() -> None:
    decision = decide(replace(CLEAN, edge=FULL), rules(quarantine={"active": False}))
    assert (decision.action, decision.reason) == (Action.DEFER, Reason.OVER_LIMIT)


def scored(score: float, status: Status = Status.HIT) -> ContentVerdict:
    """Return a verdict that takes the message whatever its score."""
    return ContentVerdict(status, Action.TAG, Reason.SUSPICIOUS, score)


@pytest.mark.parametrize(
    ("score", "outbound", "status", "reason"),
    [
        (14.9, True, Status.HIT, Reason.SUSPICIOUS),
        (15.0, True, Status.HIT, Reason.OUTBOUND_SPAM),
        (99.0, True, Status.HIT, Reason.OUTBOUND_SPAM),
        (99.0, False, Status.HIT, Reason.SUSPICIOUS),
        (99.0, True, Status.TEMPERROR, Reason.SCORING_UNAVAILABLE),
    ],
)
def test_what_our_users_must_not_send_is_refused(
    score: float, outbound: bool, status: Status, reason: Reason
) -> None:
    facts = replace(CLEAN, verdict=scored(score, status), outbound=outbound)
    assert decide(facts, rules()).reason is reason


@pytest.mark.parametrize(("block", "said"), [(True, True), (False, False)])
def test_whose_account_is_blocked_is_told_so(block: bool, said: bool) -> None:
    policy = rules(ratelimit={"outbound": {"block_account": block}})
    decision = decide(replace(CLEAN, verdict=scored(20.0), outbound=True), policy)
    assert (decision.reply.code, decision.reply.enhanced) == (550, "5.7.1")
    assert ("the account is blocked" in decision.reply.text) is said
