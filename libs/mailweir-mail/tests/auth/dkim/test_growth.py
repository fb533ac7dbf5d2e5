"""What a hostile header may cost: time in proportion to its length, and no more."""

import time
from collections.abc import Callable
from typing import Any

import pytest

World = Any  # see conftest.py

BODY = b"From: a@example.com\r\n\r\nx\r\n"
FIELD = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=r; bh=AAAA; b=AAAA; "
TRAPS: dict[str, Callable[[int], bytes]] = {
    "one long value": lambda n: FIELD + b"h=" + b"a" * n + b"\r\n",
    "spaces in b=": lambda n: FIELD + b"h=from; z=" + b" " * n + b"\r\n",
    "folds": lambda n: FIELD + b"h=from; z=" + b"\r\n\t" * (n // 3) + b"x\r\n",
    "tags": lambda n: (
        FIELD + b"h=from; " + b"".join(b"a%d=b;" % i for i in range(n // 8)) + b"\r\n"
    ),
    "semicolons": lambda n: FIELD + b";" * n + b"\r\n",
    "names in h=": lambda n: FIELD + b"h=" + b"from:" * (n // 5) + b"from\r\n",
    "quoted identity": lambda n: FIELD + b"h=from; i=" + b"=41" * (n // 3) + b"@example.com\r\n",
    "signatures": lambda n: (FIELD + b"h=from\r\n") * (n // 80),
    "empty signatures": lambda n: b"DKIM-Signature:\r\n" * (n // 17),
    "fields with one name": lambda n: FIELD + b"h=from:a:a:a\r\n" + b"a: b\r\n" * (n // 6),
    "folded names": lambda n: b"DKIM-Signature\r\n :" * (n // 18),
}
MOST_SECONDS = 1.0
MB = 1024 * 1024


@pytest.mark.parametrize("name", TRAPS)
def test_a_megabyte_of_header_is_judged_at_once(world: World, name: str) -> None:
    def seconds(size: int) -> float:
        raw = TRAPS[name](size) + BODY
        started = time.process_time()
        world.check(raw)
        return time.process_time() - started

    small = max(min(seconds(MB // 4) for _ in range(2)), 0.005)
    large = seconds(MB)
    assert large < MOST_SECONDS
    assert large < 4 * 4 * small


def test_many_signatures_that_sign_a_large_header_stay_cheap(world: World) -> None:
    field = b"DKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=e; bh=AAAA; b=AAAA; h=from"
    field += b":a" * 16_000 + b"\r\n"
    raw = field * 30 + b"a: b\r\n" * 16_000 + BODY
    started = time.process_time()
    assert not any(r.passed for r in world.check(raw))
    assert time.process_time() - started < MOST_SECONDS


def test_a_typical_mail_costs_little_more_than_its_signature(world: World) -> None:
    raw = world.signed(world.ed25519, world.message + b"Some words in a line.\r\n" * 180)
    world.check(raw)
    started = time.process_time()
    for _ in range(50):
        assert world.one(raw).passed
    assert (time.process_time() - started) / 50 < 0.01
