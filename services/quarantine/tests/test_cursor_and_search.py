"""Cursors and filters: what we gave out comes back, everything else is refused."""

import base64
import math

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action, State
from mailweir_core.reasons import Reason
from mailweir_quarantine.policy.cursor import MAX_CURSOR, Position, decode, encode
from mailweir_quarantine.policy.search import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_TEXT,
    BadSearch,
    Filter,
    checked,
)
from mailweir_testkit.events import NOW, ref_of

refs = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ-", min_size=1, max_size=64)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, refs)
def test_a_cursor_comes_back_as_it_was(at: float, ref: str) -> None:
    text = encode(Position(at, ref))
    assert decode(text) == Position(at, ref)
    assert len(text) <= MAX_CURSOR
    assert text.isascii()
    assert not set(text) & set("+/= &?#%")


@given(st.text(max_size=200))
def test_any_text_is_refused_or_ours(text: str) -> None:
    position = decode(text)
    assert position is None or encode(position) == text


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_or_ours(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    position = decode(text)
    assert position is None or encode(position) == text


@given(finite, refs, st.data())
def test_a_changed_cursor_is_another_or_none(at: float, ref: str, data: st.DataObject) -> None:
    text = encode(Position(at, ref))
    where = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = text[:where] + other + text[where + 1 :]
    if changed != text:
        assert decode(changed) != Position(at, ref)


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_no_time_that_is_none(at: float) -> None:
    assert decode(encode(Position(at, "R"))) is None


def test_no_reference_is_no_cursor() -> None:
    assert decode(encode(Position(1.0, ""))) is None
    assert decode(encode(Position(1.0, "a\0b"))) is None
    assert decode(encode(Position(1.0, "R" * 65))) is None
    assert decode("") is None


def test_an_empty_request_filters_nothing() -> None:
    assert checked() == Filter(limit=DEFAULT_LIMIT)


def test_a_full_request_is_understood() -> None:
    position = Position(NOW, ref_of(1))
    assert checked(
        limit=7, cursor=encode(position), sender="a@", recipient="b@", subject="c", action="hold",
        state="held", reason="spam", since=1.0, until=2.0,
    ) == Filter(
        7, position, "a@", "b@", "c", Action.HOLD, State.HELD, Reason.SPAM, 1.0, 2.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 50), (1, 1), (500, 500), (501, 500), (2**31, 500)]
)
def test_the_limit_is_bounded(asked: int, given: int) -> None:
    assert checked(limit=asked).limit == given
    assert given <= MAX_LIMIT


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"action": "frobnicate"}, "action"),
        ({"state": "HELD"}, "state"),
        ({"reason": "because"}, "reason"),
        ({"sender": "x" * (MAX_TEXT + 1)}, "sender"),
        ({"recipient": "x" * (MAX_TEXT + 1)}, "recipient"),
        ({"subject": "x" * (MAX_TEXT + 1)}, "subject"),
        ({"subject": "nul\0"}, "subject"),
        ({"since": math.nan}, "since"),
        ({"until": math.inf}, "until"),
    ],
)
def test_what_cannot_be_meant_is_refused(request_: dict[str, object], named: str) -> None:
    with pytest.raises(BadSearch, match=named):
        checked(**request_)  # type: ignore[arg-type]
