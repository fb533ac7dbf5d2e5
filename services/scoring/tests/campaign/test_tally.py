"""Counts in a sliding window, one's own and those of others."""

import pytest
from hypothesis import given, strategies as st

from mailweir_scoring.policy.campaign.model import CampaignQuestion
from mailweir_scoring.policy.campaign.tally import (
    MOST_KEYS,
    MOST_TOLD,
    Tally,
    Told,
    dump,
    load,
)

WINDOW = 3600.0
START = 1_800_000_000.0  # the begin of a slot


def ask(*keys: str, at: float = START, window: float = WINDOW) -> CampaignQuestion:
    return CampaignQuestion(tuple((key,) for key in keys), at, window)


def copies(tally: Tally, key: str, times: int, at: float = START) -> int:
    return [tally.count(ask(key, at=at)) for _ in range(times)][-1]


def test_each_copy_is_one_more() -> None:
    tally = Tally()
    assert [tally.count(ask("a")) for _ in range(3)] == [1, 2, 3]
    assert tally.count(ask("b")) == 1
    assert tally.count(ask("b", "a")) == 4


def test_a_key_named_twice_counts_once() -> None:
    tally = Tally()
    assert tally.count(CampaignQuestion((("a", "b"), ("a",)), START, WINDOW)) == 1


@pytest.mark.parametrize(
    ("later", "known"),
    [(0.0, 10), (3599.0, 10), (3600.0, 10), (5400.0, 5), (7199.0, 0), (7200.0, 0), (99_999.0, 0)],
)
def test_copies_leave_the_window_bit_by_bit(later: float, known: int) -> None:
    tally = Tally()
    copies(tally, "a", 10)
    assert tally.count(ask("a", at=START + later)) == known + 1


def test_another_window_begins_anew() -> None:
    tally = Tally()
    copies(tally, "a", 10)
    assert tally.count(ask("a", window=60.0)) == 1


def test_what_others_saw_is_added() -> None:
    one, two = Tally(), Tally()
    copies(one, "a", 10)
    copies(two, "a", 5)
    two.hear("one", one.tell())
    assert two.count(ask("a")) == 16
    two.hear("one", None)
    assert two.count(ask("a")) == 7


def test_what_is_told_again_takes_the_place_of_what_was_told() -> None:
    one, two = Tally(), Tally()
    for times in (4, 3):
        copies(one, "a", times)
        two.count(ask("b"))
        two.hear("one", one.tell())
    assert two.count(ask("a")) == 8


def test_what_was_told_before_the_first_mail_counts() -> None:
    one, two = Tally(), Tally()
    copies(one, "a", 4)
    two.hear("one", one.tell())
    assert two.count(ask("a")) == 5


def test_another_s_window_is_not_mixed_in() -> None:
    two = Tally()
    two.count(ask("a"))
    two.hear("one", Told(60.0, {int(START // 60): {"a": 100}}))
    assert two.count(ask("a")) == 2
    two.hear("one", None)
    assert two.count(ask("a")) == 3


def test_what_was_seen_once_is_not_told() -> None:
    tally = Tally()
    tally.count(ask("a"))
    assert not tally.changed
    assert tally.tell().slots == {int(START // WINDOW): {}}
    copies(tally, "b", 2)
    assert tally.changed
    assert tally.tell().slots == {int(START // WINDOW): {"b": 2}}
    assert not tally.changed


def test_only_the_strongest_are_told() -> None:
    tally = Tally()
    for number in range(MOST_TOLD + 10):
        copies(tally, f"k{number}", 2)
    copies(tally, "big", 9)
    (counts,) = tally.tell().slots.values()
    assert len(counts) == MOST_TOLD
    assert counts["big"] == 9


def test_memory_is_bounded_and_campaigns_stay() -> None:
    tally = Tally()
    copies(tally, "campaign", 50)
    for number in range(MOST_KEYS + 10):
        tally.count(ask(f"k{number}"))
    assert sum(map(len, tally._own.values())) <= MOST_KEYS
    assert tally.count(ask("campaign")) == 51


def test_even_if_everything_is_a_campaign() -> None:
    tally = Tally()
    keys = [f"k{number}" for number in range(MOST_KEYS + 1)]
    for _ in range(2):
        tally.count(ask(*keys))
    assert sum(map(len, tally._own.values())) <= MOST_KEYS


counts = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9))


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.none() | counts), max_size=12)
)
def test_whatever_order_others_come_and_go_in_the_sum_is_right(
    story: list[tuple[str, dict[str, int] | None]],
) -> None:
    tally, last = Tally(), dict[str, dict[str, int]]()
    tally.count(ask("z"))
    for who, told in story:
        tally.hear(who, None if told is None else Told(WINDOW, {int(START // WINDOW): told}))
        last.pop(who, None)
        if told is not None:
            last[who] = told
    for key in "abcd":
        assert tally.count(ask(key)) == 1 + sum(told.get(key, 0) for told in last.values())


def test_the_stored_form_comes_back() -> None:
    told = Told(WINDOW, {500_000: {"a": 3, "b": 2}, 499_999: {}})
    assert load(dump(told)) == told


@pytest.mark.parametrize(
    "value",
    [b"", b"x", b"[]", b"{}", b'{"window":1,"slots":{"x":{}}}', b'{"window":1,"slots":[1]}',
     b'{"window":"w","slots":{}}', b'{"window":1,"slots":{"1":{"a":"b"}}}', b"\xff"],
)  # fmt: skip
def test_what_is_not_of_this_form_is_nothing(value: bytes) -> None:
    assert load(value) is None
