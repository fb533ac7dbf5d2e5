"""What one key has done, and how it fades."""

from typing import Final

import pytest
from hypothesis import given, strategies as st

from mailweir_reputation.policy.history.record import (
    MOST_SIBLINGS,
    RECENT,
    Deed,
    Record,
    bad_siblings,
    dump,
    faded,
    folded,
    load,
    noted,
)

NOW: Final = 1_750_000_000.0
DAY: Final = 86_400.0
HALF: Final = 10 * DAY

marks = st.text("abcdefgh", min_size=1, max_size=3)
deeds = st.builds(
    Deed, marks, st.floats(0, 1), st.floats(-10, 50), st.floats(NOW - 5 * DAY, NOW)
)  # fmt: skip


def deed(mark: str, spam: float = 1.0, at: float = NOW, score: float = 5.0) -> Deed:
    return Deed(mark, spam, score, at)


def test_deeds_add_up() -> None:
    record = folded(None, [deed("a"), deed("b", 0.0, score=1.0), deed("c", 0.5, score=2.0)], HALF)
    assert (record.messages, record.spam, record.total_score) == (3.0, 1.5, 8.0)
    assert record.share == 0.5
    assert record.seen_at == NOW


def test_half_is_left_after_the_half_life() -> None:
    record = faded(folded(None, [deed("a"), deed("b", 0.0)], HALF), NOW + HALF, HALF)
    assert (record.messages, record.spam) == (1.0, 0.5)
    assert record.share == 0.5
    assert record.seen_at == NOW + HALF


def test_a_clock_that_goes_back_changes_nothing() -> None:
    record = folded(None, [deed("a")], HALF)
    assert faded(record, NOW - DAY, HALF) == record


def test_what_was_counted_is_not_counted_again() -> None:
    once = folded(None, [deed("a"), deed("b")], HALF)
    assert folded(once, [deed("b"), deed("a")], HALF) == once
    assert folded(once, [deed("a"), deed("c")], HALF).messages == 3.0


def test_only_so_many_deeds_are_known_again() -> None:
    record = folded(None, [deed(f"m{n}") for n in range(RECENT + 1)], HALF)
    assert len(record.recent) == RECENT
    assert folded(record, [deed("m1")], HALF).messages == RECENT + 1
    assert folded(record, [deed("m0")], HALF).messages == RECENT + 2  # as the docstring says


def test_a_late_deed_has_faded_already() -> None:
    record = folded(None, [deed("new"), deed("old", at=NOW - HALF)], HALF)
    assert record.messages == 1.5
    assert record.seen_at == NOW


@given(st.lists(deeds, max_size=20, unique_by=lambda each: each.mark), st.randoms())
def test_the_order_of_deeds_does_not_matter(given_deeds: list[Deed], chance: object) -> None:
    shuffled = list(given_deeds)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one = faded(folded(None, given_deeds, HALF), NOW, HALF)
    other = faded(folded(None, shuffled, HALF), NOW, HALF)
    assert one.messages == pytest.approx(other.messages)
    assert one.spam == pytest.approx(other.spam)
    assert one.total_score == pytest.approx(other.total_score, abs=1e-6)


@given(st.lists(deeds, max_size=20), st.floats(0, 1e9), st.floats(0, 1e9))
def test_fading_only_ever_takes_away(done: list[Deed], soon: float, later: float) -> None:
    record = folded(None, done, HALF)
    near, far = sorted((soon, later))
    first, second = (faded(record, NOW + after, HALF) for after in (near, far))
    assert record.messages >= first.messages >= second.messages >= 0
    assert record.spam >= first.spam >= second.spam >= 0
    assert first.spam <= first.messages * 1.0001


@given(st.lists(deeds, max_size=40), st.lists(st.tuples(marks, st.floats(0, 1e10)), max_size=5))
def test_every_record_reads_back(done: list[Deed], siblings: list[tuple[str, float]]) -> None:
    record = folded(None, done, HALF)
    for name, at in siblings:
        record = noted(record, [name], at, 30 * DAY)
    again = load(dump(record))
    assert again.messages == pytest.approx(record.messages, abs=1e-4)
    assert again.spam == pytest.approx(record.spam, abs=1e-4)
    assert again.recent == record.recent
    assert [name for name, _ in again.siblings] == [name for name, _ in record.siblings]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"\xff", b"[1,2,3]", b'["1",0,0,0,[],[]]', b"[-1,0,0,0,[],[]]",
        b"[1,2,0,0,[],[]]", b"[NaN,0,0,0,[],[]]", b"[1,0,0,0,{},[]]", b"[1,0,0,0,[],[7]]",
        b"[true,0,0,0,[],[]]",
    ],
)  # fmt: skip
def test_what_is_no_record_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load(data)


def test_siblings_are_noted_and_forgotten() -> None:
    record = noted(None, ["a", "b"], NOW, 30 * DAY)
    assert noted(record, ["b", "a"], NOW + DAY, 30 * DAY) is record  # nothing to write
    record = noted(record, ["a", "c"], NOW + 20 * DAY, 30 * DAY)
    assert bad_siblings(record, NOW + 20 * DAY, 30 * DAY) == 3
    assert bad_siblings(record, NOW + 31 * DAY, 30 * DAY) == 2
    assert bad_siblings(record, NOW + 60 * DAY, 30 * DAY) == 0
    later = noted(record, ["d"], NOW + 31 * DAY, 30 * DAY)
    assert {name for name, _ in later.siblings} == {"a", "c", "d"}


def test_only_so_many_siblings_are_noted() -> None:
    record = noted(None, [f"s{n}" for n in range(100)], NOW, 30 * DAY)
    assert len(record.siblings) == MOST_SIBLINGS


def test_an_empty_record_says_nothing() -> None:
    assert Record().share == 0.0
