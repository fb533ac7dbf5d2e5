"""Buckets as they are stored, and what mail does to them."""

import pytest
from hypothesis import given, strategies as st

from mailweir_ratelimit.policy.bucket import (
    BURST_CAP,
    CORRECTION_SECONDS,
    RATE_CAP,
    TTL_MARGIN_SECONDS,
    Bucket,
    Take,
    correct,
    dump,
    effective,
    give,
    load,
    take,
    ttl,
)
from mailweir_ratelimit.policy.gcra import picoseconds, rate_of

NOW = 1_750_000_000.0
RATE = rate_of(60, 60)


@given(
    st.integers(0, 10**30),
    st.floats(1 / RATE_CAP, RATE_CAP).map(lambda x: round(x, 6)),
    st.floats(1 / BURST_CAP, BURST_CAP).map(lambda x: round(x, 6)),
)
def test_stored_and_read(state: int, rate: float, burst: float) -> None:
    bucket = Bucket(state, rate, burst)
    assert load(dump(bucket)) == bucket


@pytest.mark.parametrize(
    "value", [None, b"", b"x", b"1 2", b"1 nan 1", b"1 x 1", b"1 2 3 4", b"\xff", b"1 inf 1"]
)
def test_what_cannot_be_read_is_empty(value: bytes | None) -> None:
    assert load(value) == Bucket()


@pytest.mark.parametrize("value", [b"-5", b"-5 9999 0"])
def test_what_is_out_of_bounds_is_brought_back(value: bytes) -> None:
    bucket = load(value)
    assert bucket.state == 0
    assert 1 / RATE_CAP <= bucket.rate_factor <= RATE_CAP
    assert 1 / BURST_CAP <= bucket.burst_factor <= BURST_CAP


def test_ham_raises_and_spam_lowers() -> None:
    assert correct(Bucket(), 1, 0) == Bucket(0, 1.01, 1.02)
    assert correct(Bucket(), 0, 1) == Bucket(0, 0.99, 0.98)
    assert correct(Bucket(), 0, 0) == Bucket()


def test_correction_has_bounds() -> None:
    good, bad = correct(Bucket(), 10**9, 0), correct(Bucket(), 0, 10**9)
    assert (good.rate_factor, good.burst_factor) == (RATE_CAP, BURST_CAP)
    assert (bad.rate_factor, bad.burst_factor) == (1 / RATE_CAP, 1 / BURST_CAP)
    assert correct(bad, 0, 0) == bad


def test_a_batch_moves_as_much_as_its_messages_one_by_one() -> None:
    at_once = correct(Bucket(), 20, 0)
    one_by_one = Bucket()
    for _ in range(20):
        one_by_one = correct(one_by_one, 1, 0)
    assert one_by_one.rate_factor == pytest.approx(at_once.rate_factor, abs=1e-4)
    assert one_by_one.burst_factor == pytest.approx(at_once.burst_factor, abs=1e-4)


def test_how_long_it_is_kept() -> None:
    assert ttl(Bucket(picoseconds(NOW + 30)), NOW) == 30 + TTL_MARGIN_SECONDS
    assert ttl(Bucket(0), NOW) == TTL_MARGIN_SECONDS
    assert ttl(correct(Bucket(0), 1, 0), NOW) == CORRECTION_SECONDS


def test_class_and_correction_multiply() -> None:
    bucket = Bucket(0, 2.0, 3.0)
    asked = Take("k", RATE, factor=10.0)
    assert effective(asked, bucket) == RATE.scaled(20, 30)
    assert effective(Take("k", RATE, factor=10.0, corrected=False), bucket) == RATE.scaled(10, 10)


def test_taking_keeps_the_correction_and_giving_back_undoes_it() -> None:
    bucket = Bucket(picoseconds(NOW), 2.0, 3.0)
    asked = Take("k", RATE, 5)
    filled, taken = take(bucket, NOW, asked)
    assert filled is not None
    assert taken.taken
    assert (filled.rate_factor, filled.burst_factor) == (2.0, 3.0)
    assert give(filled, asked) == bucket


def test_a_full_bucket_says_by_what_rate_and_when() -> None:
    filled, _ = take(Bucket(), NOW, Take("k", RATE, 12, factor=0.2))
    assert filled is not None
    unchanged, refused = take(filled, NOW, Take("k", RATE, factor=0.2))
    assert unchanged is None
    assert (refused.taken, refused.next_seconds, refused.rate.burst) == (False, 5.0, 12)
