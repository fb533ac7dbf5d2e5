"""Daily quotas: exactly so many a day, each message once, days where the policy says."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from mailweir_policy.ratelimit import OutboundLimit, Unit
from mailweir_ratelimit.policy.quota import (
    REMEMBERED_REFS,
    Amount,
    Quota,
    charge,
    day_ends,
    day_of,
    discharge,
    dump,
    fits,
    fits_alone,
    load,
    on_day,
)

ONE = Amount(1, 1, 1000)
LIMIT = OutboundLimit(messages=200)
DAY, NEXT = "2026-11-24", "2026-11-25"


def epoch(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def send(quota: Quota, number: int, day: str = DAY, limit: OutboundLimit = LIMIT) -> Quota:
    for _ in range(number):
        charged = charge(quota, day, ONE, limit, f"r{quota.used.messages}.{day}")
        assert charged.taken
        quota = charged.quota
    return quota


def test_two_hundred_a_day_are_two_hundred() -> None:
    full = send(Quota(), 200)
    refused = charge(full, DAY, ONE, LIMIT, "r200")
    assert (refused.taken, refused.over, refused.quota) == (False, Unit.MESSAGES, full)
    assert charge(full, NEXT, ONE, LIMIT, "r200").quota.used.messages == 1


def test_a_raised_limit_has_room_at_once() -> None:
    full = send(Quota(), 200)
    assert charge(full, DAY, ONE, OutboundLimit(messages=201), "more").taken
    assert not fits(full, DAY, ONE, OutboundLimit(messages=10), "more")
    assert charge(full, DAY, ONE, OutboundLimit(), "more").taken


@given(
    st.integers(1, 30), st.integers(0, 60), st.integers(0, 5000),
    st.lists(
        st.tuples(st.integers(1, 10), st.integers(0, 800), st.integers(0, 2)),
        min_size=1, max_size=80,
    ),
)  # fmt: skip
def test_never_more_and_never_fewer_than_the_limit_lets_pass(
    messages: int, recipients: int, size: int, mails: list[tuple[int, int, int]]
) -> None:
    limit = OutboundLimit(messages=messages, recipients=recipients, bytes=size)
    quota, today, sums = Quota(), date(2026, 11, 24), [0, 0, 0]
    for number, (people, octets, days) in enumerate(mails):
        if days == 2:
            today, sums = today + timedelta(days=1), [0, 0, 0]
        amount = Amount(1, people, octets)
        after = [sums[0] + 1, sums[1] + people, sums[2] + octets]
        room = all(
            most == 0 or much <= most
            for much, most in zip(after, (messages, recipients, size), strict=True)
        )
        charged = charge(quota, today.isoformat(), amount, limit, f"r{number}")
        assert charged.taken == room
        sums = after if room else sums
        quota = charged.quota
        assert [quota.used.messages, quota.used.recipients, quota.used.bytes] == sums


def test_the_same_message_counts_once() -> None:
    first = charge(Quota(), DAY, ONE, LIMIT, "r1")
    again = charge(first.quota, DAY, ONE, OutboundLimit(messages=1), "r1")
    assert (again.taken, again.again, again.quota) == (True, True, first.quota)


def test_a_message_without_a_reference_counts_each_time() -> None:
    quota = Quota()
    for _ in range(3):
        quota = charge(quota, DAY, ONE, LIMIT, "").quota
    assert quota.used.messages == 3
    left = discharge(quota, DAY, ONE, "")
    assert left is not None
    assert left.used.messages == 2


def test_what_is_remembered_has_a_bound() -> None:
    quota = Quota()
    for number in range(1000):
        quota = charge(quota, DAY, ONE, OutboundLimit(), f"r{number}").quota
    assert len(quota.refs) == REMEMBERED_REFS
    assert len(dump(quota)) < 8192
    assert charge(quota, DAY, ONE, OutboundLimit(), "r999").again
    assert charge(quota, DAY, ONE, OutboundLimit(), f"r{1000 - REMEMBERED_REFS}").again


def test_taking_back() -> None:
    quota = charge(send(Quota(), 3), DAY, Amount(1, 5, 99), LIMIT, "x").quota
    left = discharge(quota, DAY, Amount(1, 5, 99), "x")
    assert left == send(Quota(), 3)
    assert discharge(left, DAY, ONE, "x") is None
    assert discharge(quota, NEXT, ONE, "x") is None


def test_a_day_never_goes_back() -> None:
    later = send(Quota(), 2, NEXT)
    assert on_day(later, DAY) is later
    assert on_day(later, "2026-11-26").used == Amount()
    assert charge(later, DAY, ONE, LIMIT, "y").quota.used.messages == 3


@pytest.mark.parametrize(
    ("amount", "limit", "fits_it"),
    [
        (Amount(1, 1, 10), OutboundLimit(bytes=9), False),
        (Amount(1, 1, 10), OutboundLimit(bytes=10), True),
        (Amount(1, 3, 10), OutboundLimit(recipients=2), False),
        (Amount(1, 3, 10), OutboundLimit(), True),
    ],
)
def test_larger_than_a_day(amount: Amount, limit: OutboundLimit, fits_it: bool) -> None:
    assert fits_alone(amount, limit) is fits_it


@pytest.mark.parametrize(
    ("now", "zone", "day", "ends"),
    [
        ("2026-11-24T23:59:59", "UTC", "2026-11-24", "2026-11-25T00:00:00"),
        ("2026-11-25T00:00:00", "UTC", "2026-11-25", "2026-11-26T00:00:00"),
        # the day on which the clock goes forward has 23 hours
        ("2026-03-29T12:00:00", "Europe/Prague", "2026-03-29", "2026-03-30T00:00:00"),
        ("2026-10-25T12:00:00", "Europe/Prague", "2026-10-25", "2026-10-26T00:00:00"),
    ],
)
def test_days(now: str, zone: str, day: str, ends: str) -> None:
    at = epoch(now, zone)
    assert day_of(at, zone) == day
    assert day_ends(day, zone) == epoch(ends, zone)
    assert day_of(day_ends(day, zone) - 0.001, zone) == day
    assert day_of(day_ends(day, zone), zone) > day


def test_stored_and_read() -> None:
    quota = Quota(DAY, Amount(1, 2, 3), ("abc", "def"), ("messages:warn",))
    assert load(dump(quota)) == quota
    assert load(None) == Quota()


@pytest.mark.parametrize(
    "value",
    [
        b"", b"x", b"[]", b"{}", b'{"day":"never","used":[1,1,1],"refs":[],"told":[]}',
        b'{"day":"2026-11-24","used":[1,1,1,1],"refs":[],"told":[]}',
        b'{"day":"2026-11-24","used":[true,1,1],"refs":[],"told":[]}',
        b'{"day":"2026-11-24","used":[1,1,1],"refs":"x","told":[]}',
        b'{"day":"2026-11-24","used":7,"refs":[],"told":[]}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_empty(value: bytes) -> None:
    assert load(value) == Quota()
