"""Held mail that waits, as it is stored."""

import pytest

from mailweir_ratelimit.policy.quota import Amount
from mailweir_ratelimit.policy.waiting import (
    CLAIM_SECONDS,
    PREFIX,
    UNKNOWN_SECONDS,
    Waiting,
    claimed,
    dump,
    forgettable,
    load,
    prefix_of,
)
from mailweir_runtime.bus.matching import check_key

NOW = 1_750_000_000.0
ONE = Waiting("01J00000000000000000000000-1", "Ann@example.com", Amount(1, 2, 3), NOW)


def test_stored_and_read() -> None:
    assert load(dump(ONE)) == ONE
    assert load(None) is None


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", dump(ONE).replace(b"1750000000.0", b"NaN")])
def test_what_cannot_be_read_is_none(value: bytes) -> None:
    assert load(value) is None


def test_keys_lie_together_by_user() -> None:
    assert check_key(ONE.key) == ONE.key
    assert ONE.key.startswith(prefix_of("ann@EXAMPLE.com"))
    assert ONE.key.startswith(PREFIX)
    assert not ONE.key.startswith(prefix_of("ann@example.co"))


def test_claims_run_out() -> None:
    mine = claimed(ONE, NOW)
    assert mine is not None
    assert claimed(mine, NOW + CLAIM_SECONDS - 1) is None
    assert claimed(mine, NOW + CLAIM_SECONDS) is not None


def test_what_never_came_is_forgotten_after_a_while() -> None:
    assert not forgettable(ONE, NOW + UNKNOWN_SECONDS)
    assert forgettable(ONE, NOW + UNKNOWN_SECONDS + 1)
