"""A service that keeps failing gets a rest, and is tried again by one question at a time."""

from mailweir_core.clock import ManualClock
from mailweir_ingress.breaker import FAILURES, REST_SECONDS, Breaker


def failing(clock: ManualClock) -> Breaker:
    """Return a breaker of a service that has failed often enough."""
    breaker = Breaker(clock)
    assert [breaker.failed() for _ in range(FAILURES)] == [*[False] * (FAILURES - 1), True]
    return breaker


def test_a_service_is_taken_to_be_well() -> None:
    assert Breaker(ManualClock()).asks


def test_a_few_failures_are_no_rest() -> None:
    breaker = Breaker(ManualClock())
    for _ in range(FAILURES - 1):
        assert not breaker.failed()
        assert breaker.asks


def test_an_answer_begins_the_count_anew() -> None:
    breaker = Breaker(ManualClock())
    for _ in range(10):
        breaker.failed()
        breaker.answered()
    assert breaker.asks


def test_after_failures_in_a_row_nobody_asks_for_a_while() -> None:
    clock = ManualClock()
    breaker = failing(clock)
    assert not breaker.asks
    clock.advance(REST_SECONDS - 0.01)
    assert not breaker.asks


def test_then_one_tries_and_the_others_wait_for_what_comes_of_it() -> None:
    clock = ManualClock()
    breaker = failing(clock)
    clock.advance(REST_SECONDS)
    assert [breaker.asks for _ in range(3)] == [True, False, False]
    assert not breaker.failed()  # the rest goes on, and was counted when it began
    assert not breaker.asks
    clock.advance(REST_SECONDS)
    assert breaker.asks
    breaker.answered()
    assert breaker.asks


def test_who_tries_and_never_comes_back_does_not_end_the_trying() -> None:
    clock = ManualClock()
    breaker = failing(clock)
    for _ in range(3):
        clock.advance(REST_SECONDS)
        assert breaker.asks
