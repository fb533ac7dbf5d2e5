"""Validation of chains (RFC 8617 §5.2)."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_mail.auth.arc import ArcLimits, ArcResult, ArcStatus, reported_chain, seal
from mailweir_testkit.zones import Zones

Chain = Any  # see conftest.py
NONE, PASS, FAIL = ArcStatus.NONE, ArcStatus.PASS, ArcStatus.FAIL


def test_without_sets_there_is_no_chain(chain: Chain) -> None:
    zones = chain.zones
    for raw in (b"", chain.message, b"X: arc-seal: i=1\r\n\r\n", b"\r\narc-seal: i=1"):
        assert chain.check(raw, zones) == ArcResult(NONE)
    assert zones.asked == []


@pytest.mark.parametrize("sets", [1, 2, 3, 7])
def test_each_relay_may_add_to_it(chain: Chain, sets: int) -> None:
    zones = chain.zones
    result = chain.check(chain.of(sets), zones)
    assert (result.status, result.instance, result.oldest_pass) == (PASS, sets, 0)
    assert result.sealers == (("lists.example", "relay.example") * sets)[:sets]
    assert result.results == (chain.results,) * sets
    assert zones.rounds == 1
    assert len(zones.asked) == min(sets, 2)


def test_a_relay_that_changed_the_message_is_the_oldest_to_vouch_for_it(chain: Chain) -> None:
    changed = chain.of(2).replace(b"Lunch", b"[list] Lunch")
    chain_before = chain.check(chain.of(2))
    raw = seal(changed, chain.results, chain_before, chain.keys[0], chain.now) + changed
    result = chain.check(raw)
    assert (result.status, result.instance, result.oldest_pass) == (PASS, 3, 3)


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        (b"noon", b"once", "body"),
        (b"Lunch", b"Dinner", "header"),
        (b"i=1; mx.example; spf=pass", b"i=1; mx.example; spf=fail", "instance"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: i=2;", "whole"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: x=1;", "instance"),
        (b"ARC-Authentication-Results: i=1;", b"X: i=1;", "whole"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=3;", "whole"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=0;", "instance"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=01;", "instance"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: h=from; i=1;", "h="),
        (b"cv=none", b"cv=pass", "cv=pass in instance 1"),
        (b"cv=pass", b"cv=none", "cv=none in instance 2"),
        (b"cv=pass", b"cv=maybe", "cv="),
        (b"cv=pass", b"cv=Pass", "cv="),
        (b"h=from:from", b"h=from:arc-seal", "ARC-Seal"),
        (b"d=relay.example; s=e", b"d=relay.example; s=x", "no key"),
    ],
)
def test_what_was_changed_breaks_it(chain: Chain, old: bytes, new: bytes, detail: str) -> None:
    raw = chain.of(2)
    raw = re.sub(rb"\r\n\t(?=[a-z]+=)", b" ", raw)
    assert old in raw
    result = chain.check(raw.replace(old, new))
    assert (result.status, detail in result.detail) == (FAIL, True), result


def test_a_set_twice_or_missing_breaks_it(chain: Chain) -> None:
    raw = chain.of(2)
    fields = re.findall(rb"(ARC-\S+:[^\n]*\n(?:[ \t][^\n]*\n)*)", raw)
    assert len(fields) == 6
    for field in fields:
        assert chain.check(raw.replace(field, b"")).status is FAIL
        assert chain.check(field + raw).status is FAIL


def test_where_the_fields_stand_does_not_matter(chain: Chain) -> None:
    raw = chain.of(2)
    fields = re.findall(rb"(ARC-\S+:[^\n]*\n(?:[ \t][^\n]*\n)*)", raw)
    assert chain.check(b"".join(reversed(fields)) + chain.message).status is PASS


@pytest.mark.parametrize("zone", ["TIMEOUT", "NXDOMAIN"])
def test_a_key_that_is_not_to_be_had_breaks_it(chain: Chain, zone: str) -> None:
    zones = Zones({**chain.table, "r._domainkey.lists.example": zone})
    result = chain.check(chain.of(2), zones)
    assert (result.status, result.instance) == (FAIL, 2)
    assert "instance 1" in result.detail


def test_who_finds_it_broken_says_so_and_closes_it(chain: Chain) -> None:
    broken = chain.of(2).replace(b"noon", b"once")
    closed = chain.once_more(broken)
    assert b"cv=fail" in closed
    zones = chain.zones
    result = chain.check(closed, zones)
    assert (result.status, result.instance, result.closed) == (FAIL, 3, True)
    assert zones.asked == []
    assert chain.once_more(closed) == closed


def test_only_some_older_signatures_are_worth_a_check(chain: Chain) -> None:
    raw = chain.of(4)
    assert chain.check(raw, limits=ArcLimits(older=3)).oldest_pass == 0
    result = chain.check(raw, limits=ArcLimits(older=2))
    assert (result.status, result.oldest_pass) == (PASS, 2)
    assert chain.check(raw, limits=ArcLimits(older=0)).oldest_pass == 4


def test_the_longest_chain_passes_and_is_full(chain: Chain) -> None:
    raw = chain.message
    for number in range(50):
        told = ArcResult(PASS if number else NONE, instance=number)
        raw = seal(raw, chain.results, told, chain.keys[1], chain.now) + raw
    result = chain.check(raw)
    assert (result.status, result.instance, result.oldest_pass) == (PASS, 50, 40)
    assert chain.once_more(raw) == raw


def test_a_chain_has_an_end(chain: Chain) -> None:
    limits = ArcLimits(sets=2)
    assert chain.check(chain.of(2), limits=limits).status is PASS
    assert chain.check(chain.of(3), limits=limits).status is FAIL
    full = ArcResult(PASS, instance=50)
    assert seal(chain.message, chain.results, full, chain.keys[0], chain.now) == b""


def test_a_chain_can_be_told_of_instead_of_validated(chain: Chain) -> None:
    raw = chain.of(1)
    told = reported_chain(raw, PASS)
    assert told == ArcResult(PASS, instance=1)
    assert told is not None
    fields = seal(raw, chain.results, told, chain.keys[1], chain.now)
    assert chain.check(fields + raw).instance == 2
    broken = chain.once_more(raw.replace(b"noon", b"once"))
    assert reported_chain(broken, FAIL) == ArcResult(FAIL, 2, closed=True)


def test_without_word_of_it_only_no_chain_at_all_is_certain(chain: Chain) -> None:
    assert reported_chain(chain.message, None) == ArcResult(NONE)
    assert reported_chain(chain.message, FAIL) == ArcResult(NONE)
    assert reported_chain(chain.of(1), None) is None
    assert reported_chain(chain.of(1), NONE) is None
    assert reported_chain(b"ARC-Seal: junk\r\n\r\n", None) is None


def test_results_cannot_add_a_field(chain: Chain) -> None:
    evil = "mx.example; none\r\nX-Evil: 1\r\n\r\nbody"
    fields = seal(chain.message, evil, ArcResult(NONE), chain.keys[0], chain.now)
    assert all(
        line.startswith((b"ARC-", b" ", b"\t"))
        for line in fields.removesuffix(b"\r\n").split(b"\r\n")
    )
    assert chain.check(fields + chain.message).status is PASS


NAMES = st.sampled_from(
    [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results", b"DKIM-Signature"]
)
VALUES = st.binary(max_size=40) | st.sampled_from(
    [
        b"i=1; mx; none",
        b"i=1; a=rsa-sha256; d=lists.example; s=r; cv=none; b=AAAA",
        b"i=1; a=rsa-sha256; d=lists.example; s=r; h=from; bh=AAAA; b=AAAA",
        b"i=99",
        b"i=",
    ]
)


@settings(max_examples=200)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=50))
def test_no_octets_raise(chain: Chain, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    raw = b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" + body
    result = chain.check(raw)
    assert result.status is not PASS
    for number in (0, 1):
        seal(raw, "mx; none", result, chain.keys[number], chain.now)


MB = 1024 * 1024
TRAPS: dict[str, Callable[[int], bytes]] = {
    "seals": lambda n: b"ARC-Seal: i=1; a=b\r\n" * (n // 20),
    "one long seal": lambda n: b"ARC-Seal: i=1; b=" + b"a" * n + b"\r\n",
    "one long result": lambda n: b"ARC-Authentication-Results: " + b" " * n + b"i=1;\r\n",
    "sets": lambda n: b"".join(
        b"ARC-Seal: i=%d\r\nARC-Message-Signature: i=%d\r\nARC-Authentication-Results: i=%d;\r\n"
        % (i, i, i)
        for i in range(1, n // 90)
    ),
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_megabyte_of_header_is_judged_at_once(chain: Chain, name: str) -> None:
    raw = TRAPS[name](MB) + chain.message
    started = time.process_time()
    result = chain.check(raw)
    seal(raw, chain.results, result, chain.keys[0], chain.now)
    assert result.status is FAIL
    assert time.process_time() - started < 1.0
