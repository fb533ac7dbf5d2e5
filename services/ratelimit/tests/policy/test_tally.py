"""Counts over a sliding window."""

import pytest
from hypothesis import given, strategies as st

from mailweir_ratelimit.policy.tally import (
    MARKS,
    MAX_COUNT,
    MAX_SAMPLE,
    SAMPLES,
    Mark,
    Tally,
    Window,
    add,
    dump_tally,
    load_tally,
    merged,
    tally_of,
)

T0 = 1_750_000_000.0
events = st.lists(st.tuples(st.floats(0, 400), st.integers(1, 3)), max_size=80)


def counted(steps: list[tuple[float, int]], window: Window) -> tuple[Tally, float]:
    tally, now = Tally(), T0
    for pause, count in steps:
        now += pause
        tally = add(tally, count, (), window, now)
    return tally, now


@given(events)
def test_few_are_counted_exactly(steps: list[tuple[float, int]]) -> None:
    window = Window(MARKS, 600.0)
    steps = steps[:MARKS]
    tally, now = counted(steps, window)
    at, exact = T0, 0
    for pause, count in steps:
        at += pause
        exact += count if at > now - window.seconds else 0
    assert tally.total == exact


@given(events)
def test_many_are_never_counted_late_and_at_most_a_step_early(
    steps: list[tuple[float, int]],
) -> None:
    window = Window(1000, 600.0)
    tally, now = counted(steps, window)
    times, at = [], T0
    for pause, count in steps:
        at += pause
        times.append((at, count))
    step = window.seconds / MARKS
    low = sum(count for at, count in times if at > now - window.seconds)
    high = sum(count for at, count in times if at > now - window.seconds - step - 1e-3)
    assert low <= tally.total <= high


@given(events)
def test_the_stored_form_is_bounded_and_read_again(steps: list[tuple[float, int]]) -> None:
    window = Window(1_000_000, 3600.0)
    tally, _ = counted(steps * 3, window)
    assert len(tally.marks) <= MARKS + 2
    again = load_tally(dump_tally(tally))
    assert again.total == tally.total
    assert again.samples == tally.samples


def test_a_burst_at_once_is_one_mark() -> None:
    window = Window(240, 60.0)
    tally = Tally()
    for number in range(200):
        tally = add(tally, 1, (), window, T0 + number / 1000)
    assert tally.total == 200
    assert len(tally.marks) <= 2


def test_what_is_left_behind_is_forgotten() -> None:
    window = Window(5, 60.0)
    tally = add(Tally(), 4, (), window, T0)
    assert add(tally, 1, (), window, T0 + 59.9).total == 5
    assert add(tally, 1, (), window, T0 + 60.0).total == 1


def test_a_clock_that_is_ahead_keeps_nothing_for_longer() -> None:
    window = Window(5, 60.0)
    ahead = add(Tally(), 4, (), window, T0 + 3600)
    tally = add(ahead, 1, (), window, T0)
    assert tally.total == 5
    assert add(tally, 1, (), window, T0 + 61).total == 1


@pytest.mark.parametrize("count", [0, -5])
def test_nothing_counts_as_nothing(count: int) -> None:
    assert add(Tally(), count, (), Window(5, 60.0), T0) == Tally()


def test_a_count_is_bounded() -> None:
    tally = add(Tally(), 10**30, (), Window(5, 60.0), T0)
    assert tally.total == MAX_COUNT
    assert tally.since == T0
    assert Tally().since == 0.0


def test_the_latest_samples_are_kept_each_once() -> None:
    assert merged(("a", "b"), ("a", "c", "")) == ("a", "b", "c")
    assert merged(tuple("abcd"), ("e",)) == tuple("bcde")
    assert len(merged((), tuple(map(str, range(50))))) == SAMPLES
    assert merged((), ("x" * 500,)) == ("x" * MAX_SAMPLE,)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"7", b"[]", b"{}", b'{"m": 5, "s": []}', b'{"m": [[1]], "s": []}', b"\xff",
        b'{"m": [["a", 1]], "s": []}', b'{"m": [[1, -1]], "s": []}', b'{"m": [[NaN, 1]], "s": []}',
    ],
)  # fmt: skip
def test_what_is_no_tally_counts_as_none(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for logs, not for programs
        load_tally(data)
    assert tally_of(data) == Tally()


def test_what_was_stored_counts() -> None:
    tally = Tally((Mark(T0, 3),), ("a",))
    assert tally_of(dump_tally(tally)) == tally
    assert tally_of(None) == Tally()
