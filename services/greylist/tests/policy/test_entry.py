"""The stored form of an entry."""

import json

import pytest
from hypothesis import given, strategies as st

from mailweir_greylist.policy.entry import (
    MAX_ENTRY_BYTES,
    MAX_PART,
    Entry,
    State,
    dump,
    load,
)

times = st.floats(0, 4_000_000_000).map(lambda t: round(t, 3))
counts = st.integers(0, 4_294_967_295)
texts = st.text(max_size=MAX_PART)
entries = st.builds(
    Entry, st.sampled_from(State), texts, texts, texts, times, times, times, times, counts, counts,
    st.text(max_size=200),
)  # fmt: skip
SOME = Entry(State.PENDING, "192.0.2.0/24", "a@b.c", "d@e.f", 1.0, 2.0, 3.0, 4.0)


@given(entries)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    stored = dump(entry)
    assert len(stored) <= MAX_ENTRY_BYTES
    assert load(stored) == entry


def test_the_stored_form_can_be_searched() -> None:
    assert b'"192.0.2.0/24","a@b.c","d@e.f"' in dump(SOME)


@given(st.binary(max_size=200))
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its words
        load(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "z"), (0, 1), (0, []), (1, 1), (3, None), (4, "1"), (5, True), (7, float("inf")), (8, -1),
        (9, 1.5), (9, True), (10, 0),
    ],
)  # fmt: skip
def test_a_wrong_part_is_a_value_error(place: int, value: object) -> None:
    parts = json.loads(dump(SOME))
    parts[place] = value
    with pytest.raises(ValueError):  # noqa: PT011
        load(json.dumps(parts).encode())


@pytest.mark.parametrize("data", [b"[]", b"{}", b"1", b"[1,2]", b"[" * 5000, b" " * 20_000])
def test_other_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        load(data)


def test_long_texts_are_cut() -> None:
    long = Entry(State.PENDING, "é" * 5000, "é" * 5000, "é" * 5000, 1, 1, 1, 1, by="é" * 5000)
    assert len(dump(long)) <= MAX_ENTRY_BYTES
    assert len(load(dump(long)).by) == 200


def test_life() -> None:
    assert SOME.lives(3.9)
    assert not SOME.lives(4.0)
    assert SOME.ttl(3.0) == 1.0
    assert SOME.ttl(3.9) == 1.0
    assert SOME.ttl(1.0) == 3.0
