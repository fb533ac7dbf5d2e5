"""Clocks and written times."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from mailweir_core.clock import Clock, ManualClock, SystemClock, rfc3339


def test_a_manual_clock_moves_by_hand() -> None:
    clock: Clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    assert isinstance(clock, ManualClock)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_the_system_clock_is_the_machine_s() -> None:
    clock = SystemClock()

    assert clock.now() == pytest.approx(datetime.now(UTC).timestamp(), abs=5)  # noqa: TID251 - compared with it
    assert clock.monotonic() == pytest.approx(time.monotonic(), abs=5)


def test_the_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    seen = [clock.monotonic() for _ in range(100)]

    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_750_000_000.5, "2025-06-15T15:06:40.500Z"),
        (951_782_400.0, "2000-02-29T00:00:00.000Z"),
    ],
)
def test_written_times(timestamp: float, text: str) -> None:
    assert rfc3339(timestamp) == text


@given(st.floats(0, 4_000_000_000))
def test_a_written_time_reads_back_to_the_millisecond(timestamp: float) -> None:
    text = rfc3339(timestamp)

    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text).timestamp() - timestamp) <= 0.00101
