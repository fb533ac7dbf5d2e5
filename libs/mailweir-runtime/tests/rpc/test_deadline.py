"""Deadlines shrink and never grow."""

from hypothesis import given, strategies as st

from mailweir_core.clock import ManualClock
from mailweir_runtime.rpc import Deadline

seconds = st.floats(0, 1000)


def test_time_runs_out() -> None:
    clock = ManualClock()
    deadline = Deadline.after(clock, 2)

    assert deadline.remaining(clock) == 2
    clock.advance(1.5)
    assert deadline.remaining(clock) == 0.5
    clock.advance(10)
    assert deadline.remaining(clock) == 0


@given(seconds, seconds, seconds)
def test_a_part_never_outlives_the_whole(whole: float, part: float, passed: float) -> None:
    clock = ManualClock()
    deadline = Deadline.after(clock, whole)
    clock.advance(passed)
    child = deadline.child(clock, part)

    assert child.at <= deadline.at
    assert child.remaining(clock) <= part + 1e-9
    assert child.remaining(clock) <= deadline.remaining(clock)
