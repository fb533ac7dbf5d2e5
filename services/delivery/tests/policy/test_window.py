"""How many transactions a destination gets."""

from hypothesis import given, strategies as st

from mailweir_delivery.policy.window import (
    FIRST_SIZE,
    LONGEST_SUSPENSION_SECONDS,
    SUSPEND_AFTER,
    Window,
    after_fault,
    after_success,
)


def test_it_grows_to_the_limit() -> None:
    window = Window()
    assert window.size == FIRST_SIZE
    for _ in range(20):
        window = after_success(window, 10)
    assert window.size == 10


def test_a_fault_makes_it_one_and_some_suspend() -> None:
    window = Window(size=10)
    for number in range(1, SUSPEND_AFTER):
        window = after_fault(window, 100.0, 60.0)
        assert (window.size, window.faults, window.suspended(100.0)) == (1, number, False)
    window = after_fault(window, 100.0, 30.0)
    assert window.suspended(129.9)
    assert not window.suspended(130.0)


def test_after_a_suspension_one_more_fault_suspends_again() -> None:
    window = Window(size=1, faults=SUSPEND_AFTER, suspended_until=130.0)
    assert after_fault(window, 131.0, 30.0).suspended(160.0)
    healed = after_success(window, 10)
    assert (healed.faults, healed.suspended(131.0)) == (0, False)


def test_a_suspension_outlasts_neither_the_first_retry_nor_a_minute() -> None:
    tired = Window(faults=SUSPEND_AFTER)
    assert after_fault(tired, 0.0, 5.0).suspended_until == 5.0
    assert after_fault(tired, 0.0, 9999.0).suspended_until == LONGEST_SUSPENSION_SECONDS


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 1000))
def test_there_is_always_room_for_one_and_never_for_more_than_the_limit(
    successes: list[bool], limit: int
) -> None:
    window = Window()
    for success in successes:
        window = after_success(window, limit) if success else after_fault(window, 0.0, 60.0)
        assert window.room(0, limit)
        assert not window.room(limit, limit)
