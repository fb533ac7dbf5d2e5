"""Counts of what was, or would have been."""

import math

import pytest
from hypothesis import given, strategies as st

from mailweir_greylist.policy.forecast import WAIT_EDGES, Counts, dump, load, log_only_until

counts = st.builds(
    Counts, *(st.integers(0, 10**9),) * 4,
    waits=st.lists(st.integers(0, 10**6), min_size=len(WAIT_EDGES) + 1, max_size=len(WAIT_EDGES) + 1),
)  # fmt: skip


@given(counts)
def test_counts_come_back_as_they_were(some: Counts) -> None:
    assert load(dump(some)) == some


@given(counts, counts, counts)
def test_adding_is_in_any_order(a: Counts, b: Counts, c: Counts) -> None:
    assert a.plus(b).plus(c) == c.plus(b.plus(a))
    assert a.plus(Counts()) == a


@pytest.mark.parametrize("data", [b"", b"1", b"[]", b"{}", b'{"waits":[1]}', b"\xff"])
def test_other_data_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        load(data)


def test_a_wrong_count_is_a_value_error() -> None:
    wrong = dump(Counts(checked=7)).replace(b"7", b"-7")
    with pytest.raises(ValueError, match="whole numbers"):
        load(wrong)


def test_nothing_is_counted_at_first() -> None:
    assert not Counts()
    assert Counts(removed=1)
    assert Counts().median_wait() == 0.0


@given(st.lists(st.floats(0.1, 170_000), min_size=1, max_size=50))
def test_the_median_is_within_the_edges_around_it(waits: list[float]) -> None:
    some = Counts()
    for wait in waits:
        some.came_back(wait)
    true = sorted(waits)[(len(waits) - 1) // 2]
    low = max([0.0, *(e for e in WAIT_EDGES if e < true)])
    high = min(e for e in WAIT_EDGES if e >= true)
    assert low <= some.median_wait() <= high
    assert some.returned == len(waits)


def test_the_median_of_waits_beyond_all_edges() -> None:
    some = Counts()
    some.came_back(1e9)
    assert some.median_wait() == WAIT_EDGES[-1]


def test_lost_is_what_neither_came_back_nor_still_may() -> None:
    some = Counts(deferred=10, returned=5, removed=1)
    assert some.lost(pending=2) == 2
    assert some.lost(pending=20) == 0


def test_log_only_ends_by_itself_or_never() -> None:
    assert log_only_until(1000.0, False, 50.0) == 1050.0
    assert log_only_until(1000.0, True, 50.0) == math.inf
