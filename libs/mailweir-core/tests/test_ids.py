"""Reference ids: sortable, well formed, told apart from anything else."""

import secrets

import pytest
from hypothesis import given, strategies as st

from mailweir_core.ids import ULID_LENGTH, is_ref, message_ref, new_ulid

times = st.floats(0, 4_000_000_000)


def test_a_known_value() -> None:
    # https://github.com/ulid/spec: 01ARZ3NDEK is 1469922850259 ms
    assert new_ulid(1469922850.259, lambda bits: 0) == "01ARZ3NDEK" + "0" * 16
    assert new_ulid(1469922850.259, lambda bits: 2**bits - 1) == "01ARZ3NDEK" + "Z" * 16


@given(times)
def test_every_ulid_is_a_reference(now: float) -> None:
    ulid = new_ulid(now)

    assert len(ulid) == ULID_LENGTH
    assert is_ref(ulid)


@given(times, times)
def test_ids_sort_by_time(one: float, other: float) -> None:
    earlier, later = sorted((one, other))

    assert new_ulid(earlier, lambda bits: 0) <= new_ulid(later, lambda bits: 0)


def test_ids_differ() -> None:
    assert len({new_ulid(1.0) for _ in range(1000)}) == 1000


def test_the_random_part_has_80_bits() -> None:
    asked: list[int] = []

    def randbits(bits: int) -> int:
        asked.append(bits)
        return secrets.randbits(bits)

    new_ulid(1.0, randbits)

    assert asked == [80]


@given(times, st.integers(1, 999_999_999))
def test_a_message_s_reference_extends_the_session_s(now: float, number: int) -> None:
    session = new_ulid(now)
    ref = message_ref(session, number)

    assert is_ref(ref)
    assert ref.partition("-")[0] == session


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "-1",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",
        "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI",
        "01arz3ndektsv4rrffq69g5fav",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-x",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-1-2",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-٣",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-1234567890",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV\n",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV-1\n",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    assert not is_ref(text)


@given(st.text(st.characters()))
def test_a_reference_is_safe_in_subjects_headers_and_paths(text: str) -> None:
    if is_ref(text):
        assert text.isascii()
        assert text.replace("-", "").isalnum()
