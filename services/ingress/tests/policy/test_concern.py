"""Whom the edge's services are asked about."""

from dataclasses import replace
from typing import Any

import pytest

from mailweir_core.bans import OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.record import Listener, Session
from mailweir_ingress.policy.concern import (
    counted,
    is_watched,
    may_wait,
    may_wait_for,
    message_counts,
)
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import policy_from
from mailweir_policy.ratelimit import Unit

STRANGER = Session("S", Listener.MX, "192.0.2.9")
TRUSTED = replace(STRANGER, trusted=True)
USER = Session("S", Listener.SUBMISSION, "192.0.2.9", auth_user="ann@example.com")
PLAIN = ClientFacts()
SUSPECT = ClientFacts(suspicion=3.0)


def rules(**parts: Any) -> Rules:
    return compile_rules(policy_from(parts), "v.1")


@pytest.mark.parametrize(
    ("client", "greylist", "expected"),
    [
        (PLAIN, {}, False),
        (SUSPECT, {}, True),
        (ClientFacts(suspicion=2.0), {}, True),  # the threshold itself
        (ClientFacts(suspicion=1.99), {}, False),
        (replace(SUSPECT, known=True), {}, False),
        (replace(SUSPECT, allowed=True), {}, False),
        (SUSPECT, {"mode": "off"}, False),
        (PLAIN, {"mode": "sender"}, True),
        (PLAIN, {"mode": "ip-helo"}, True),
        (PLAIN, {"suspicion": 0.0}, True),
    ],
)
def test_waiting_is_for_whom_the_mode_concerns(
    client: ClientFacts, greylist: dict[str, Any], expected: bool
) -> None:
    assert may_wait(client, rules(greylist=greylist)) is expected


@pytest.mark.parametrize(
    ("score", "client", "session", "greylist", "expected"),
    [
        (4.0, PLAIN, STRANGER, {}, True),
        (3.99, SUSPECT, STRANGER, {}, False),
        (None, SUSPECT, STRANGER, {}, False),
        (9.0, PLAIN, USER, {}, False),
        (9.0, PLAIN, TRUSTED, {}, False),
        (9.0, ClientFacts(known=True), STRANGER, {}, False),
        (9.0, ClientFacts(allowed=True), STRANGER, {}, False),
        (9.0, PLAIN, STRANGER, {"score": None}, False),
        (9.0, PLAIN, STRANGER, {"mode": "off"}, False),
    ],
)
def test_a_score_makes_strangers_wait(
    score: float | None,
    client: ClientFacts,
    session: Session,
    greylist: dict[str, Any],
    expected: bool,
) -> None:
    assert may_wait_for(score, client, session, rules(greylist=greylist)) is expected


LIMIT = {"name": "mails", "by": ["ip"], "count": 5, "seconds": 60.0}


@pytest.mark.parametrize(
    ("unit", "session", "client", "expected"),
    [
        ("messages", STRANGER, PLAIN, True),
        ("bytes", STRANGER, PLAIN, True),
        ("recipients", STRANGER, PLAIN, False),
        ("recipients", USER, PLAIN, True),  # their day's limit
        ("messages", TRUSTED, PLAIN, False),
        ("messages", STRANGER, ClientFacts(allowed=True), False),
        ("messages", replace(STRANGER, client_ip="127.0.0.1"), PLAIN, False),
    ],
)
def test_messages_count_where_a_limit_counts_them(
    unit: str, session: Session, client: ClientFacts, expected: bool
) -> None:
    policy = rules(ratelimit={"limits": [{**LIMIT, "unit": unit}]})
    assert message_counts(session, client, policy) is expected


def test_what_is_counted_follows_from_limits_and_exemptions() -> None:
    policy = rules(ratelimit={"limits": [{**LIMIT, "unit": "messages"}]})
    assert Unit.MESSAGES in counted(STRANGER, policy)
    assert counted(replace(STRANGER, client_ip="127.0.0.1"), policy) == frozenset()


@pytest.mark.parametrize(
    ("kind", "session", "intrusion", "expected"),
    [
        (OffenceKind.RELAY, STRANGER, {}, True),
        (OffenceKind.RELAY, USER, {}, False),
        (OffenceKind.RESET, USER, {}, True),
        (OffenceKind.RELAY, TRUSTED, {}, False),
        (OffenceKind.RELAY, replace(STRANGER, client_ip="127.0.0.1"), {}, False),
        (OffenceKind.RELAY, STRANGER, {"enabled": False}, False),
        (OffenceKind.RELAY, STRANGER, {"rules": {"relay": {"enabled": False}}}, False),
        (OffenceKind.LISTED, STRANGER, {}, False),  # off unless somebody wants it
        (OffenceKind.MANUAL, STRANGER, {}, False),
        (OffenceKind.RELAY, STRANGER, {"never": ["192.0.2.0/24"]}, False),
    ],
)
def test_offences_count_where_they_can_lead_to_a_ban(
    kind: OffenceKind, session: Session, intrusion: dict[str, Any], expected: bool
) -> None:
    policy = rules(ratelimit={"intrusion": intrusion})
    assert is_watched(kind, session, policy) is expected
