"""From findings to replies: what each remedy of the policy leads to, and what the client is told."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.remedies import Told, refusal_of, weighed
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import policy_from
from mailweir_policy.edge import Remedy

REFUSING = (
    Reason.LISTED,
    Reason.BLOCKED,
    Reason.NO_REVERSE_DNS,
    Reason.HELO_LIES,
    Reason.BAD_HELO,
    Reason.SENDER_DOMAIN_MISSING,
    Reason.SENDER_TAKES_NO_MAIL,
    Reason.SPF_FAILED,
)
SUSPECTS = {
    "no_reverse_name": Reason.NO_REVERSE_DNS,
    "unconfirmed_name": Reason.NO_REVERSE_DNS,
    "dynamic_name": Reason.NO_REVERSE_DNS,
    "helo_lies": Reason.HELO_LIES,
    "helo_not_qualified": Reason.BAD_HELO,
    "helo_unresolvable": Reason.BAD_HELO,
    "sender_domain_missing": Reason.SENDER_DOMAIN_MISSING,
    "sender_takes_no_mail": Reason.SENDER_TAKES_NO_MAIL,
    "spf_fail": Reason.SPF_FAILED,
    "spf_softfail": Reason.SPF_FAILED,
}


def rules(**edge: Any) -> Rules:
    """Return rules with this edge."""
    return compile_rules(policy_from({"edge": edge}), "v.1")


def all_suspects(remedy: Remedy) -> Rules:
    """Return rules by which every finding leads to the same."""
    return rules(listed=remedy, suspects=dict.fromkeys(SUSPECTS, remedy))


def found(
    reason: Reason | None, advice: Advice = Advice.REJECT, status: Status = Status.HIT
) -> Outcome:
    """Return a finding of reputation."""
    return Outcome("reputation", status, advice=advice, reason=reason, detail="Some List")


@pytest.mark.parametrize("reason", [r for r in REFUSING if r is not Reason.BLOCKED])
@pytest.mark.parametrize("remedy", [Remedy.OFF, Remedy.SCORE, Remedy.GREYLIST])
def test_a_mild_remedy_refuses_nothing_whatever_is_advised(reason: Reason, remedy: Remedy) -> None:
    for advice in Advice:
        assert weighed(found(reason, advice), all_suspects(remedy)) == (Remedy.OFF, False)


@pytest.mark.parametrize(
    ("reason", "remedy", "advice", "follows"),
    [
        (Reason.LISTED, Remedy.REJECT, Advice.REJECT, Remedy.REJECT),
        (Reason.LISTED, Remedy.REJECT, Advice.CLOSE, Remedy.REJECT),
        (Reason.LISTED, Remedy.CLOSE, Advice.REJECT, Remedy.CLOSE),
        (Reason.SENDER_DOMAIN_MISSING, Remedy.CLOSE, Advice.REJECT, Remedy.CLOSE),
        # of several remedies the service has chosen one, and no more follows than that
        (Reason.NO_REVERSE_DNS, Remedy.CLOSE, Advice.REJECT, Remedy.REJECT),
        (Reason.NO_REVERSE_DNS, Remedy.CLOSE, Advice.CLOSE, Remedy.CLOSE),
        (Reason.NO_REVERSE_DNS, Remedy.REJECT, Advice.CLOSE, Remedy.REJECT),
        (Reason.HELO_LIES, Remedy.REJECT, Advice.CLOSE, Remedy.REJECT),
        (Reason.BAD_HELO, Remedy.CLOSE, Advice.CLOSE, Remedy.CLOSE),
        (Reason.SPF_FAILED, Remedy.REJECT, Advice.REJECT, Remedy.REJECT),
    ],
)
def test_the_policy_says_how_hard_a_refusal_is(
    reason: Reason, remedy: Remedy, advice: Advice, follows: Remedy
) -> None:
    assert weighed(found(reason, advice), all_suspects(remedy)) == (follows, False)


@pytest.mark.parametrize(("knob", "reason"), SUSPECTS.items())
def test_each_suspect_has_its_own_remedy(knob: str, reason: Reason) -> None:
    mild = dict.fromkeys(SUSPECTS, Remedy.SCORE)
    hard = rules(suspects={**mild, knob: Remedy.REJECT})
    assert weighed(found(reason), hard) == (Remedy.REJECT, False)


@pytest.mark.parametrize(
    ("advice", "follows"),
    [
        (Advice.REJECT, (Remedy.REJECT, False)),
        (Advice.CLOSE, (Remedy.CLOSE, False)),
        (Advice.DEFER, (Remedy.REJECT, True)),
        (Advice.NONE, (Remedy.OFF, False)),
        (Advice.ALLOW, (Remedy.OFF, False)),
        (Advice.HOLD, (Remedy.OFF, False)),
    ],
)
def test_a_block_list_of_our_own_is_taken_at_its_word(
    advice: Advice, follows: tuple[Remedy, bool]
) -> None:
    assert weighed(found(Reason.BLOCKED, advice), all_suspects(Remedy.OFF)) == follows


def test_a_listing_is_temporary_where_the_policy_or_the_service_says_so() -> None:
    assert weighed(found(Reason.LISTED), rules(listed_temporary=True)) == (Remedy.CLOSE, True)
    assert weighed(found(Reason.LISTED, Advice.DEFER), rules()) == (Remedy.CLOSE, True)
    missing = found(Reason.SENDER_DOMAIN_MISSING)
    assert weighed(missing, rules(listed_temporary=True)) == (Remedy.REJECT, False)


@pytest.mark.parametrize("reason", [None, Reason.GREYLISTED, Reason.RATE_LIMITED, Reason.SPAM])
def test_reputation_refuses_for_its_own_reasons_only(reason: Reason | None) -> None:
    assert weighed(found(reason, Advice.CLOSE), all_suspects(Remedy.CLOSE)) == (Remedy.OFF, False)


@given(
    st.sampled_from(REFUSING),
    st.sampled_from(Advice),
    st.sampled_from([Status.TEMPERROR, Status.SKIPPED, Status.OK]),
    st.sampled_from(Remedy),
)
def test_only_what_was_found_refuses(
    reason: Reason, advice: Advice, status: Status, remedy: Remedy
) -> None:
    assert weighed(found(reason, advice, status), all_suspects(remedy))[0] is Remedy.OFF


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (Reason.LISTED, "554 5.7.1 Your address is on a block list: Some List"),
        (Reason.BLOCKED, "550 5.7.1 Mail from you is blocked here"),
        (Reason.NO_REVERSE_DNS, "550 5.7.25 Your address has no name that leads back to it"),
        (Reason.HELO_LIES, "550 5.7.1 The name that you greet with is not yours"),
        (Reason.BAD_HELO, "550 5.7.1 You greet with what is no name of a host"),
        (Reason.SENDER_DOMAIN_MISSING, "550 5.1.8 The sender's domain does not exist"),
        (Reason.SENDER_TAKES_NO_MAIL, "550 5.7.27 The sender's domain takes no mail"),
        (Reason.SPF_FAILED, "550 5.7.23 The sender's domain does not let you send for it"),
    ],
)
def test_each_cause_has_its_codes_and_words(reason: Reason, line: str) -> None:
    decision = refusal_of(found(reason), Told.RECIPIENT, temporary=False)
    assert decision.reply.line("01ABC-1") == f"{line} [01ABC-1]"
    assert (decision.action, decision.reason, decision.close) == (Action.REJECT, reason, False)
    assert decision.detail == "Some List"


@pytest.mark.parametrize(
    ("told", "temporary", "code", "enhanced", "close"),
    [
        (Told.BANNER, False, 554, "5.7.1", True),
        (Told.BANNER, True, 421, "4.7.1", True),
        (Told.CLOSING, False, 550, "5.7.1", True),
        (Told.CLOSING, True, 421, "4.7.1", True),
        (Told.RECIPIENT, False, 550, "5.7.1", False),
        (Told.RECIPIENT, True, 450, "4.7.1", False),
    ],
)
def test_codes_fit_where_they_are_said(
    told: Told, temporary: bool, code: int, enhanced: str, close: bool
) -> None:
    decision = refusal_of(found(Reason.BLOCKED), told, temporary=temporary)
    assert (decision.reply.code, decision.reply.enhanced) == (code, enhanced)
    assert decision.close is close
    assert decision.action is (Action.DEFER if temporary else Action.REJECT)


def test_of_a_listing_only_the_names_of_lists_are_told() -> None:
    outcome = Outcome(
        "reputation",
        Status.HIT,
        advice=Advice.CLOSE,
        reason=Reason.LISTED,
        detail="One List, Another List; k3y.zone.example. did not answer",
    )
    decision = refusal_of(outcome, Told.BANNER, temporary=False)
    assert decision.reply.text == "Your address is on a block list: One List, Another List"
    assert "k3y" not in decision.reply.line("ref")


@pytest.mark.parametrize("reason", [r for r in REFUSING if r is not Reason.LISTED])
def test_of_other_findings_the_details_are_for_the_record(reason: Reason) -> None:
    assert "Some List" not in refusal_of(found(reason), Told.RECIPIENT, temporary=False).reply.text


def test_a_refusal_without_a_reason_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="reason"):
        refusal_of(found(None), Told.BANNER, temporary=False)
