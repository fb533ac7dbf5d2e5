"""What a record says of the session's checks: one outcome each, whatever phases and recipients brought."""

import pytest

from mailweir_core.outcome import Advice, Lookup, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.checks import (
    ABSENT,
    CHECKS,
    MAX_LOOKUPS,
    MAX_SIGNALS,
    NOT_ASKED,
    of_recipients,
    recorded,
    telling,
    worst,
)

ALL = frozenset(CHECKS)


def says(status: Status, check: str = "reputation", **fields: object) -> Outcome:
    """Return an outcome."""
    return Outcome(check, status, **fields)  # type: ignore[arg-type] - a test's shorthand


def signal(name: str, score: float = 1.0) -> Signal:
    """Return a signal."""
    return Signal(name, score, "edge")


def test_services_that_are_not_there_are_skipped() -> None:
    assert recorded((), frozenset()) == ABSENT
    assert {outcome.status for outcome in ABSENT} == {Status.SKIPPED}


def test_services_that_had_nothing_to_be_asked_are_skipped_too() -> None:
    assert recorded((), ALL) == NOT_ASKED
    assert recorded((), frozenset({"greylist"})) == (ABSENT[0], NOT_ASKED[1], ABSENT[2])


def test_one_outcome_stays_what_it_is() -> None:
    only = says(Status.HIT, "ratelimit", detail="much")
    assert recorded((only,), ALL) == (NOT_ASKED[0], NOT_ASKED[1], only)
    assert recorded((only, only), ALL)[2] is only


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Status.OK, Status.HIT, Status.HIT),
        (Status.HIT, Status.TEMPERROR, Status.TEMPERROR),
        (Status.SKIPPED, Status.OK, Status.OK),
        (Status.OK, Status.OK, Status.OK),
    ],
)
def test_the_worst_status_is_said(one: Status, other: Status, both: Status) -> None:
    for pair in ((one, other), (other, one)):
        outcomes = tuple(says(status) for status in pair)
        assert recorded(outcomes, ALL)[0].status is both
        assert worst(outcomes) is both


def test_the_worst_of_nothing_is_skipped() -> None:
    assert worst(()) is Status.SKIPPED


def test_signals_of_all_phases_are_there_each_once() -> None:
    connect = says(Status.HIT, signals=(signal("LISTED", 4.0), signal("NO_PTR", 1.0)))
    mail = says(Status.HIT, signals=(signal("SPF", 2.0), signal("NO_PTR", 1.5)))
    (found, _, _) = recorded((connect, mail), ALL)
    assert {s.name: s.score for s in found.signals} == {"LISTED": 4.0, "NO_PTR": 1.5, "SPF": 2.0}


def test_what_refused_is_what_is_said() -> None:
    fine = says(Status.HIT, detail="a little suspicious", advice=Advice.NONE)
    hard = says(Status.HIT, detail="Some List", advice=Advice.CLOSE, reason=Reason.LISTED)
    mild = says(Status.HIT, detail="wait", advice=Advice.DEFER, reason=Reason.BLOCKED)
    (found, _, _) = recorded((fine, hard, mild), ALL)
    assert (found.advice, found.reason, found.detail) == (
        Advice.CLOSE,
        Reason.LISTED,
        "Some List",
    )


def test_why_a_check_was_lost_is_said() -> None:
    lost = says(Status.TEMPERROR, detail="no answer in time")
    hit = says(Status.HIT, detail="Some List", reason=Reason.LISTED)
    assert recorded((hit, lost), ALL)[0].detail == "no answer in time"


def test_a_record_is_bounded() -> None:
    question = Lookup("dns", "q", "a")
    many = [
        says(Status.HIT, signals=(signal(f"S{n}"),), lookups=(question,) * 3) for n in range(200)
    ]
    (found, _, _) = recorded(many, ALL)
    assert (len(found.signals), len(found.lookups)) == (MAX_SIGNALS, MAX_LOOKUPS)


def test_the_longest_time_is_said() -> None:
    outcomes = (says(Status.OK, seconds=0.2), says(Status.OK, seconds=0.5))
    assert recorded(outcomes, ALL)[0].seconds == 0.5


def test_a_check_that_nobody_knows_is_in_no_record() -> None:
    assert recorded((says(Status.HIT, "weather"),), ALL) == NOT_ASKED


def test_a_verdict_is_told_of_findings_and_of_what_was_lost() -> None:
    hit = says(Status.HIT, signals=(signal("LISTED"),))
    lost = says(Status.TEMPERROR, "greylist")
    assert telling((hit, lost, says(Status.OK), ABSENT[2])) == (hit, lost)


def test_what_one_recipient_wants_is_no_ground_for_the_mail_of_another() -> None:
    allowed = says(Status.HIT, signals=(signal("ALLOW_LISTED", -20.0), signal("NAMED", 0.0)))
    nothing = says(Status.OK)
    found = of_recipients([(allowed,), (nothing,)])
    assert [(s.name, s.score) for s in found[0].signals] == [("ALLOW_LISTED", 0.0), ("NAMED", 0.0)]
    assert found[1] is nothing
    for answers in ([(allowed,), ()], [(allowed,), (), (allowed,)]):
        assert all(s.score == 0.0 for outcome in of_recipients(answers) for s in outcome.signals)


def test_what_all_recipients_want_counts() -> None:
    allowed = [says(Status.HIT, signals=(signal("ALLOW_LISTED", -20.0),)) for _ in range(2)]
    limit = says(Status.OK, "ratelimit")
    assert of_recipients([(allowed[0], limit), (allowed[1], limit)]) == (
        allowed[0], limit, allowed[1], limit,
    )  # fmt: skip
    assert of_recipients([(allowed[0],)]) == (allowed[0],)
    assert of_recipients([]) == ()
