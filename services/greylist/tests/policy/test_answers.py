"""What the ingress is told."""

from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_greylist.policy.answers import Answer, Lost, outcome_of, seconds_left
from mailweir_greylist.policy.candidates import Spared
from mailweir_greylist.policy.steps import Found

TEXT = "Greylisted, please come back later"


def of(answer: Answer, *, log_only: bool = False) -> Outcome:
    return outcome_of(answer, TEXT, log_only=log_only)


def test_who_has_to_wait_is_told_how_long() -> None:
    for found in (Found.FIRST, Found.EARLY, Found.LENGTHENED):
        outcome = of(Answer(found, 179.2))
        assert (outcome.status, outcome.advice) == (Status.HIT, Advice.DEFER)
        assert outcome.reason is Reason.GREYLISTED
        assert outcome.detail == f"{TEXT}: 180 seconds left"


def test_log_only_defers_nobody_and_says_what_would_have_been() -> None:
    outcome = of(Answer(Found.FIRST, 180.0), log_only=True)
    assert (outcome.status, outcome.advice, outcome.reason) == (Status.HIT, Advice.NONE, None)
    assert outcome.detail == "first seen: would wait 180 s, but is only logged"


def test_who_passes() -> None:
    for found in (Found.RETURNED, Found.AUTHORISED):
        for log_only in (False, True):
            outcome = of(Answer(found), log_only=log_only)
            assert (outcome.status, outcome.advice) == (Status.OK, Advice.NONE)


def test_who_is_not_asked_is_skipped_with_a_sentence() -> None:
    for why in Spared:
        outcome = of(Answer(why))
        assert (outcome.status, outcome.advice) == (Status.SKIPPED, Advice.NONE)
        assert outcome.detail


def test_a_store_that_is_lost_is_a_temporary_error_that_defers_nobody() -> None:
    for why in Lost:
        outcome = of(Answer(why))
        assert (outcome.check, outcome.status) == ("greylist", Status.TEMPERROR)
        assert outcome.advice is Advice.NONE
        assert outcome.detail.startswith("passed: ")


def test_seconds_are_rounded_up() -> None:
    assert [seconds_left(w) for w in (0.001, 1.0, 1.1, 179.9)] == [1, 1, 2, 180]
