"""Dates as mail has them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import parse_date

NOON = datetime(2024, 3, 1, 12, 30, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 01 Mar 2024 12:30:45 +0000",
        "Fri, 1 Mar 2024 12:30:45 GMT",
        "1 Mar 2024 12:30:45 UT",
        "1 Mar 24 12:30:45 +0000",
        "Fri, 1-Mar-2024 12:30:45 +0000",
        "Fri,1 Mar 2024 12:30:45 +0000",
        "Friday, 1 March 2024 12:30:45 +0000",
        "Fri, 1 Mar 2024 13:30:45 +0100",
        "Fri, 1 Mar 2024 13:30:45 +01:00",
        "Fri, 1 Mar 2024 13:30:45 CET",
        "Fri, 1 Mar 2024 07:30:45 EST",
        "Fri, 1 Mar 2024 07:30:45 -0500 (EST)",
        "Fri, 1 Mar 2024 12:30:45 -0000",
        "Fri, 1 Mar 2024 13:30:45 GMT+0100",
        "Fri, 1 Mar 2024 12:30:45",
        "Fri, 1 Mar 2024 12:30:45 XYZ",
        "Fri, 1 Mar 2024 12:30:45 PM",
        "Fri (yes), 1 Mar (the (spring)) 2024 12:30:45 +0000",
        "Fri, 1 Mar 2024 12.30.45 +0000",
        "Fri Mar  1 12:30:45 2024",
        "Fri Mar  1 12:30:45 UTC 2024",
        "Mar 1 2024 12:30:45",
        "2024-03-01 12:30:45 +0000",
        "2024-03-01T12:30:45Z",
        "2024-03-01T12:30:45.123+00:00",
        "  Fri, 1 Mar 2024 12:30:45 +0000  ",
    ],
)
def test_forms(text: str) -> None:
    assert parse_date(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Whenever",
        "Fri, 32 Mar 2024 12:30:45 +0000",
        "Fri, 1 Foo 2024 12:30:45 +0000",
        "Fri, 1 Mar 2024",
        "Fri, 1 Mar 2024 25:30:45 +0000",
        "Fri, 1 Mar 2024 12:61:45 +0000",
        "0000-03-01 12:30:45",
        "Fri Mar  1 12:30:45",
        "1" * 500,
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    ("year", "expected"),
    [("49", 2049), ("50", 1950), ("99", 1999), ("00", 2000), ("103", 2003), ("1999", 1999)],
)
def test_short_years(year: str, expected: int) -> None:
    found = parse_date(f"1 Mar {year} 12:00:00 +0000")
    assert found is not None
    assert found.year == expected


def test_halves_of_the_day() -> None:
    assert parse_date("1 Mar 2024 12:30:45 AM") == NOON.replace(hour=0)
    assert parse_date("1 Mar 2024 1:30:45 pm") == NOON.replace(hour=13)


def test_a_leap_second_and_missing_seconds() -> None:
    assert parse_date("1 Mar 2024 12:30:60 +0000") == NOON.replace(second=59)
    assert parse_date("1 Mar 2024 12:30 +0000") == NOON.replace(second=0)


def test_the_offset_is_kept() -> None:
    found = parse_date("1 Mar 2024 12:30:45 -0330")
    assert found is not None
    assert found.utcoffset() == -timedelta(hours=3, minutes=30)
    absurd = parse_date("1 Mar 2024 12:30:45 +9999")
    assert absurd is not None
    assert absurd.utcoffset() == timedelta(0)


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = parse_date(text)
    assert found is None or found.tzinfo is not None


@given(
    st.datetimes(datetime(1951, 1, 1), datetime(2049, 1, 1)),  # noqa: DTZ001 - the strategy adds the zone
    st.integers(-23 * 60, 23 * 60),
)
def test_what_others_write_comes_back(moment: datetime, offset: int) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    assert parse_date(format_datetime(moment)) == moment
