"""GCRA against a leaking bucket, in fractions: never more than the limit lets pass, never fewer."""

from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_ratelimit.policy.gcra import (
    EMPTY,
    PICOSECONDS,
    Rate,
    empty_at,
    give,
    picoseconds,
    rate_of,
    take,
    used,
)

NOW = 1_750_000_000.0


class Leaky:
    """The textbook: a level that sinks evenly; an amount goes in where it fits under the brim."""

    def __init__(self, count: int, seconds: int, burst: int) -> None:
        self.level, self.at = Fraction(0), Fraction(0)
        self.speed, self.burst = Fraction(count, seconds), burst

    def room(self, at: Fraction, amount: int) -> Fraction:
        self.level = max(Fraction(0), self.level - (at - self.at) * self.speed)
        self.at = at
        return self.burst - self.level - min(amount, self.burst)

    def take(self, at: Fraction, amount: int) -> None:
        self.level += amount


rates = st.tuples(st.integers(1, 500), st.integers(1, 100_000), st.integers(1, 500))
steps = st.lists(
    st.tuples(st.integers(0, 200_000_000), st.integers(1, 600)), min_size=1, max_size=60
)


@given(rates, steps)
@settings(max_examples=300)
def test_decides_as_a_leaking_bucket_does(
    rate: tuple[int, int, int], asked: list[tuple[int, int]]
) -> None:
    count, seconds, burst = rate
    model, state, micros = Leaky(*rate), EMPTY, 0
    # a picosecond for each amount poured is what rounding may cost
    slack = Fraction(count, seconds) * Fraction(len(asked) + 2, PICOSECONDS)
    for wait, amount in asked:
        micros += wait
        poured = take(state, NOW + micros / 1e6, rate_of(count, seconds, burst), amount)
        exact = Fraction(picoseconds(NOW + micros / 1e6), PICOSECONDS)
        room = model.room(exact, amount)
        if abs(room) > slack:
            assert poured.taken == (room >= 0)
        if poured.taken:
            model.take(exact, amount)
        state = poured.state


@given(st.integers(1, 100_000), st.floats(0.01, 2_592_000), st.integers(0, 1000))
def test_exactly_the_burst_passes_at_once(count: int, seconds: float, burst: int) -> None:
    burst = burst or min(count, 1000)
    rate, state = rate_of(count, seconds, burst), EMPTY
    for _ in range(burst):
        poured = take(state, NOW, rate)
        assert poured.taken
        state = poured.state
    assert not take(state, NOW, rate).taken
    assert used(state, NOW, rate) == pytest.approx(burst, rel=1e-4)


@given(st.integers(1, 10_000), st.integers(1, 100_000), st.integers(1, 50))
def test_what_is_said_to_be_next_fits_then_and_not_sooner(
    count: int, seconds: int, amount: int
) -> None:
    rate = rate_of(count, seconds, max(amount, 5))
    state = take(EMPTY, NOW, rate, rate.burst).state
    refused = take(state, NOW, rate, amount)
    assert not refused.taken
    assert refused.next_seconds > 0
    assert take(state, NOW + refused.next_seconds + 2e-6, rate, amount).taken
    if refused.next_seconds > 1e-4:
        assert not take(state, NOW + refused.next_seconds * 0.99 - 1e-6, rate, amount).taken


@given(st.integers(1, 10_000), st.integers(1, 100_000), st.integers(1, 100), st.integers(1, 100))
def test_what_is_given_back_is_as_if_never_taken(
    count: int, seconds: int, first: int, second: int
) -> None:
    rate = rate_of(count, seconds, 200)
    before = take(EMPTY, NOW, rate, first).state
    after = take(before, NOW, rate, second)
    assert after.taken
    assert give(after.state, rate, second) == before
    assert used(give(before, rate, 10_000_000), NOW, rate) == 0


def test_a_minute_of_sixty() -> None:
    rate, state = rate_of(60, 60), EMPTY
    for _ in range(60):
        state = take(state, NOW, rate).state
    refused = take(state, NOW, rate)
    assert (refused.taken, refused.next_seconds, refused.state) == (False, 1.0, state)
    assert take(state, NOW + 1, rate).taken
    assert not take(take(state, NOW + 1, rate).state, NOW + 1, rate).taken
    assert empty_at(state) == NOW + 60
    assert used(state, NOW + 30, rate) == 30
    assert used(state, NOW + 61, rate) == 0


def test_an_amount_over_the_burst_needs_an_empty_bucket_and_is_paid_for() -> None:
    rate = rate_of(100, 100, 10)
    poured = take(EMPTY, NOW, rate, 50)
    assert poured.taken
    assert used(poured.state, NOW, rate) == 50
    assert take(poured.state, NOW, rate).next_seconds == 41
    half = take(EMPTY, NOW, rate, 1)
    assert not take(half.state, NOW, rate, 50).taken


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    rate, state = rate_of(10, 10), EMPTY
    for _ in range(10):
        state = take(state, NOW, rate).state
    assert take(state, NOW - 5, rate).next_seconds == 6


@pytest.mark.parametrize(
    ("factor", "burst_factor", "milli", "burst"),
    [(10, 10, 600_000, 600), (0.2, 0.2, 12_000, 12), (1.0, 1.0, 60_000, 60), (1e-9, 1e-9, 1, 1)],
)
def test_scaling(factor: float, burst_factor: float, milli: int, burst: int) -> None:
    assert rate_of(60, 60).scaled(factor, burst_factor) == Rate(milli, 60, burst)
