"""What judged mail means for limits."""

from dataclasses import replace
from typing import Any

import pytest

from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import RatelimitPolicy
from mailweir_ratelimit.policy.limits import Limits
from mailweir_ratelimit.policy.verdicts import (
    BLOCK_SECONDS,
    FORGET_SECONDS,
    MAX_RECIPIENTS,
    Kind,
    Verdict,
    blocks_account,
    corrections,
)

NOW = 1_750_000_000.0
SESSION = Session("s", Listener.MX, "192.0.2.1", helo="mx.example.net")
HAM = Verdict("r", SESSION, "ann@example.net", ("bob@example.com",), "accept", "clean", 0.1, NOW)
SPAM = replace(HAM, action="reject", reason="spam", score=20.0)
USER = Session("s", Listener.SUBMISSION, "192.0.2.1", auth_user="u@example.com")
THIEF = replace(SPAM, session=USER, reason="outbound-spam")


def limits(**ratelimit: Any) -> Limits:
    return Limits(Policy(ratelimit=RatelimitPolicy.model_validate(ratelimit)))


@pytest.mark.parametrize(
    ("action", "reason", "kind"),
    [
        ("accept", "clean", Kind.HAM),
        ("tag", "suspicious", None),
        ("hold", "spam", Kind.SPAM),
        ("reject", "gtube", Kind.SPAM),
        ("reject", "malware", Kind.SPAM),
        ("accept", "exempt", None),
        ("hold", "unscanned", None),
        ("defer", "greylisted", None),
    ],
)
def test_kinds(action: str, reason: str, kind: Kind | None) -> None:
    assert replace(HAM, action=action, reason=reason).kind is kind


def test_each_bucket_of_the_client_is_moved() -> None:
    found = corrections([HAM, HAM, SPAM], limits(), NOW)
    assert len(found) == 2  # connections by address, recipients by network
    assert set(found.values()) == {(2, 1)}


@pytest.mark.parametrize(
    "verdict",
    [
        replace(HAM, fresh=False),
        replace(HAM, at=NOW - FORGET_SECONDS - 1),
        replace(HAM, reason="exempt"),
        replace(HAM, session=USER),
        replace(HAM, session=replace(SESSION, client_ip="127.0.0.1")),
        replace(HAM, session=replace(SESSION, trusted=True)),
        replace(HAM, session=replace(SESSION, client_ip="")),
    ],
)
def test_what_moves_nothing(verdict: Verdict) -> None:
    assert corrections([verdict], limits(), NOW) == {}


def test_the_switches() -> None:
    assert corrections([HAM], limits(correct=False), NOW) == {}
    fixed = {
        "name": "x",
        "unit": "messages",
        "by": ["ip"],
        "count": 1,
        "seconds": 1,
        "scaled": False,
    }
    assert corrections([HAM], limits(limits=[fixed]), NOW) == {}


def test_many_recipients_are_bounded() -> None:
    by_recipient = {"name": "x", "unit": "messages", "by": ["to"], "count": 1, "seconds": 1}
    many = replace(HAM, recipients=tuple(f"u{n}@example.com" for n in range(500)))
    assert len(corrections([many], limits(limits=[by_recipient]), NOW)) == MAX_RECIPIENTS


@pytest.mark.parametrize(
    ("verdict", "blocks"),
    [
        (THIEF, True),
        (replace(THIEF, at=NOW - BLOCK_SECONDS - 1), False),
        (replace(THIEF, reason="spam"), False),
        (replace(THIEF, session=SESSION), False),
        (HAM, False),
    ],
)
def test_who_is_blocked(verdict: Verdict, blocks: bool) -> None:
    assert blocks_account(verdict, NOW) is blocks
