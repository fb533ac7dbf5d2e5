"""Which limits hold for whom, and what is said."""

from typing import Any

import pytest

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.net import parse_ip
from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import RatelimitPolicy, Unit
from mailweir_policy.relay import RelayPolicy
from mailweir_ratelimit.policy.bucket import Taken
from mailweir_ratelimit.policy.limits import (
    Limits,
    failure,
    in_words,
    is_postmaster,
    refusal,
    wait_in_words,
)
from mailweir_ratelimit.policy.selectors import Facts

STRANGER = Facts(parse_ip("192.0.2.1"), 0, "mx", "ann@example.net", "bob@example.com")
USER = Facts(parse_ip("192.0.2.1"), 0, "mx", "u@example.com", "bob@example.net", "u@example.com")


def limits(**ratelimit: Any) -> Limits:
    relay = RelayPolicy(trusted_networks=("198.51.100.0/24",), proxy_networks=("203.0.113.5/32",))
    return Limits(Policy(relay=relay, ratelimit=RatelimitPolicy.model_validate(ratelimit)))


def session(ip: str = "192.0.2.1", **fields: Any) -> Session:
    return Session("s", Listener.MX, ip, **fields)


def one(unit: str, *by: str, **fields: Any) -> dict[str, Any]:
    return {"name": f"{unit}-{by[0]}", "unit": unit, "by": by, "count": 10, "seconds": 60, **fields}


def test_the_default_limits() -> None:
    found = limits()
    (connections,) = found.plan(Unit.CONNECTIONS, STRANGER, ClientClass.NONE)
    (recipients,) = found.plan(Unit.RECIPIENTS, STRANGER, ClientClass.NONE)
    assert connections.subject == "from 192.0.2.1"
    assert (connections.take.rate.burst, connections.take.factor) == (60, 1.0)
    assert recipients.subject == "from 192.0.2.0/24"
    assert recipients.take.rate.burst == 50
    assert found.plan(Unit.MESSAGES, STRANGER, ClientClass.NONE) == ()


@pytest.mark.parametrize(
    ("client", "factor"),
    [(ClientClass.GOOD, 10.0), (ClientClass.NONE, 1.0), (ClientClass.BAD, 0.2)],
)
def test_the_class_scales(client: ClientClass, factor: float) -> None:
    (planned,) = limits().plan(Unit.CONNECTIONS, STRANGER, client)
    assert planned.take.factor == factor
    (fixed,) = limits(limits=[one("connections", "ip", scaled=False)]).plan(
        Unit.CONNECTIONS, STRANGER, client
    )
    assert (fixed.take.factor, fixed.take.corrected) == (1.0, False)


def test_only_what_is_enabled_and_known_counts() -> None:
    found = limits(
        limits=[
            one("recipients", "asn"),
            one("recipients", "ip", enabled=False),
            one("recipients", "to"),
        ]
    )
    assert [p.limit.name for p in found.plan(Unit.RECIPIENTS, STRANGER, ClientClass.NONE)] == [
        "recipients-to"
    ]


def test_mail_of_users_counts_in_limits_by_user_alone() -> None:
    found = limits(
        limits=[
            one("recipients", "ip"),
            one("recipients", "user"),
            one("recipients", "user-domain"),
        ]
    )
    by_user = found.plan(Unit.RECIPIENTS, USER, ClientClass.NONE)
    assert [p.limit.name for p in by_user] == ["recipients-user", "recipients-user-domain"]
    strangers = found.plan(Unit.RECIPIENTS, STRANGER, ClientClass.NONE)
    assert [p.limit.name for p in strangers] == ["recipients-ip"]


@pytest.mark.parametrize(
    ("ip", "exempt"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("198.51.100.7", True),  # trusted
        ("203.0.113.5", True),  # a proxy that forgot its header
        ("192.0.2.1", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_exempt_clients(ip: str, exempt: bool) -> None:
    assert limits().exempts_client(session(ip), ClientFacts()) is exempt


def test_allowed_and_trusted_clients_are_exempt() -> None:
    assert limits().exempts_client(session(), ClientFacts(allowed=True))
    assert limits().exempts_client(session(trusted=True), ClientFacts())
    assert not limits().exempts_client(session(), ClientFacts(known=True))
    assert limits(exempt_networks=["192.0.2.0/24"]).exempts_client(session(), ClientFacts())


@pytest.mark.parametrize(
    ("sender", "exempt"),
    [
        ("", True),
        ("Postmaster@example.net", True),
        ("MAILER-DAEMON@example.net", True),
        ("boss@example.org", True),
        ("BOSS@example.org", True),
        ("ann@example.net", False),
        ("postmaster.x@example.net", False),
    ],
)
def test_exempt_senders(sender: str, exempt: bool) -> None:
    assert limits(exempt_senders=["boss@example.org"]).exempts_sender(sender) is exempt


@pytest.mark.parametrize(
    ("address", "found"), [("postmaster", True), ("abuse@x", True), ("a@postmaster", False)]
)
def test_postmasters(address: str, found: bool) -> None:
    assert is_postmaster(address) is found


def test_a_refusal_names_limit_unit_and_state() -> None:
    (planned,) = limits().plan(Unit.CONNECTIONS, STRANGER, ClientClass.NONE)
    outcome = refusal(planned, Taken(False, planned.take.rate, 11.2), Advice.CLOSE)
    assert outcome.detail == "60 connections a minute from 192.0.2.1, next in 12 s"
    assert (outcome.check, outcome.status) == ("ratelimit", Status.HIT)
    assert (outcome.advice, outcome.reason) == (Advice.CLOSE, Reason.RATE_LIMITED)


def test_a_refusal_names_the_scaled_limit() -> None:
    (planned,) = limits().plan(Unit.CONNECTIONS, STRANGER, ClientClass.BAD)
    rate = planned.take.rate.scaled(0.2, 0.2)
    assert "12 connections a minute" in refusal(planned, Taken(False, rate, 5), Advice.CLOSE).detail


@pytest.mark.parametrize(
    ("seconds", "count", "words"),
    [
        (1, 10, "10 messages a second"),
        (3600, 10, "10 messages an hour"),
        (86_400, 1, "1 message a day"),
        (300, 50, "50 messages in 5 min"),
        (10, 50, "50 messages in 10 s"),
        (604_800, 50, "50 messages in 168 h"),
    ],
)
def test_periods(seconds: float, count: int, words: str) -> None:
    found = limits(limits=[one("messages", "ip", seconds=seconds, count=count)])
    (planned,) = found.plan(Unit.MESSAGES, STRANGER, ClientClass.NONE)
    assert in_words(planned.limit, planned.take.rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (0.2, "1 s"), (12, "12 s"), (119.5, "2 min"), (125, "3 min"), (7201, "3 h")],
)
def test_waits(seconds: float, words: str) -> None:
    assert wait_in_words(seconds) == words


def test_what_was_not_counted_is_no_finding() -> None:
    outcome = failure(["the bus is away"])
    assert (outcome.status, outcome.advice) == (Status.TEMPERROR, Advice.NONE)
    assert outcome.detail == "not counted: the bus is away"
