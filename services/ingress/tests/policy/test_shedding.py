"""Who is turned away while there is too much to do, and how many of them."""

from dataclasses import replace

import pytest

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.policy.shedding import (
    BUSY,
    LEAST_SHARE,
    Admission,
    Load,
    is_stranger,
    pressure,
)
from mailweir_policy import policy_from

LIMITS = {"lag_seconds": 0.1, "answer_seconds": 2.0, "share": 0.5}


def rules(**limits: object) -> Rules:
    """Return rules with these limits."""
    return compile_rules(policy_from({"session": {"shedding": {**LIMITS, **limits}}}), "v.1")


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(), 0.0),
        (Load(lag_seconds=0.05), 0.5),
        (Load(lag_seconds=0.3, answer_seconds=1.0), 3.0),
        (Load(answer_seconds=3.0), 1.5),
        (Load(sessions_share=0.25), 0.5),
        (Load(memory_share=1.0, lag_seconds=0.1), 2.0),
    ],
)
def test_pressure_is_the_worst_of_what_is_measured(load: Load, expected: float) -> None:
    assert pressure(load, rules()) == pytest.approx(expected)


def test_without_shedding_nothing_presses() -> None:
    assert pressure(Load(10.0, 10.0, 1.0, 1.0), rules(enabled=False)) == 0.0


NOBODY = ClientFacts()


@pytest.mark.parametrize(
    ("client", "trusted", "expected"),
    [
        (NOBODY, False, True),
        (replace(NOBODY, client_class=ClientClass.BAD, suspicion=9.0), False, True),
        (replace(NOBODY, known=True), False, False),
        (replace(NOBODY, allowed=True), False, False),
        (NOBODY, True, False),
    ],
)
def test_strangers_are_those_nobody_vouches_for(
    client: ClientFacts, trusted: bool, expected: bool
) -> None:
    assert is_stranger(client, trusted=trusted) is expected


def test_they_may_come_again() -> None:
    assert BUSY.reason is Reason.OVERLOADED
    assert BUSY.close
    assert BUSY.reply.code == 421


def let_in(admission: Admission, of: int) -> int:
    """Return how many of so many are let in."""
    return sum(admission.lets_in() for _ in range(of))


def test_all_are_let_in_while_there_is_room() -> None:
    admission = Admission()
    for _ in range(100):
        admission.measured(1.0)
    assert let_in(admission, 50) == 50


def test_as_many_are_let_in_as_the_share_says() -> None:
    admission = Admission()
    admission.share = 0.3
    assert let_in(admission, 1000) == pytest.approx(300, abs=1)


def test_under_pressure_ever_fewer_are_let_in_but_never_none() -> None:
    admission = Admission()
    shares = [admission.share]
    for _ in range(100):
        admission.measured(1.5)
        shares.append(admission.share)
    assert shares[:10] == sorted(shares[:10], reverse=True)
    assert shares[7] < 0.5  # within a second
    assert shares[-1] == LEAST_SHARE
    assert let_in(admission, 200) == pytest.approx(200 * LEAST_SHARE, abs=1)


def test_the_way_back_is_slower_and_ends_where_it_began() -> None:
    admission = Admission()
    for _ in range(10):
        admission.measured(2.0)
    lowest = admission.share
    for _ in range(10):
        admission.measured(0.5)
    assert lowest < admission.share < 0.6
    for _ in range(100):
        admission.measured(0.5)
    assert admission.share == 1.0
