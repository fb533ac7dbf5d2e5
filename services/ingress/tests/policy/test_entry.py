"""Decisions before there is a session, as tables."""

from collections.abc import Mapping
from typing import Any

import pytest

from mailweir_core.bans import CODES, Ban, OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.decision import Action
from mailweir_core.net import parse_ip
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.entry import (
    lacks_proxy_header,
    may_wait,
    on_ban,
    on_early_words,
    seconds_to_wait,
)
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import policy_from

STRANGER = ClientFacts()


def the_rules(**sections: Mapping[str, Any]) -> Rules:
    """Return the rules of a policy."""
    return compile_rules(policy_from(sections), "v.1")


@pytest.mark.parametrize("kind", list(OffenceKind))
def test_a_ban_with_an_end_is_told_as_one(kind: OffenceKind) -> None:
    now = on_ban(Ban("192.0.2.0/24", kind, "secret evidence", 0, 10))
    for_good = on_ban(Ban("192.0.2.0/24", kind, "secret evidence", 0, 0))
    assert (now.action, now.reply.code, now.close) == (Action.DEFER, 421, True)
    assert (for_good.action, for_good.reply.code, for_good.close) == (Action.REJECT, 554, True)
    for decision in (now, for_good):
        assert decision.reason is Reason.BANNED
        assert f"({CODES[kind]})" in decision.reply.text
        assert "secret" not in decision.reply.text


PROXIES = {"proxy_networks": ["10.1.0.0/16"], "trusted_networks": ["10.2.0.0/16"]}


@pytest.mark.parametrize(
    ("peer", "relay", "lacks"),
    [
        ("10.3.0.1", PROXIES, True),  # a node of the cluster, say
        ("192.168.7.7", PROXIES, True),
        ("172.31.255.254", PROXIES, True),
        ("100.64.0.1", PROXIES, True),
        ("fd00::7", PROXIES, True),
        ("fe80::7", PROXIES, True),
        ("10.2.0.1", PROXIES, False),  # trusted: it speaks for itself
        ("127.0.0.1", PROXIES, False),
        ("198.51.100.7", PROXIES, False),
        ("172.32.0.1", PROXIES, False),
        ("2001:db8::1", PROXIES, False),
        ("10.3.0.1", {}, False),  # no header is expected from anybody
        ("", PROXIES, False),
    ],
)
def test_a_private_peer_where_proxies_are_is_one_that_was_forgotten(
    peer: str, relay: Mapping[str, Any], lacks: bool
) -> None:
    assert lacks_proxy_header(parse_ip(peer), the_rules(relay=relay)) is lacks


@pytest.mark.parametrize(
    ("client", "facts", "edge", "sessions", "seconds"),
    [
        ("198.51.100.7", STRANGER, {}, 1, 6.0),
        ("198.51.100.7", STRANGER, {}, 70, 2.0),
        ("198.51.100.7", STRANGER, {}, 69, 6.0),
        ("198.51.100.7", ClientFacts(known=True), {}, 1, 0.0),
        ("198.51.100.7", ClientFacts(allowed=True), {}, 1, 0.0),
        ("198.51.100.7", ClientFacts(suspicion=5.0), {}, 1, 6.0),
        ("198.51.100.7", STRANGER, {"enabled": False}, 1, 0.0),
        ("198.51.100.7", STRANGER, {"seconds": 0}, 1, 0.0),
        ("198.51.100.7", STRANGER, {"stress_share": 0.1, "stress_seconds": 0}, 10, 0.0),
        ("198.51.100.7", STRANGER, {"exempt_networks": ["198.51.100.0/24"]}, 1, 0.0),
        ("127.0.0.1", STRANGER, {}, 1, 0.0),
        ("::1", STRANGER, {}, 1, 0.0),
        ("192.0.2.7", STRANGER, {}, 1, 0.0),  # trusted
    ],
)
def test_who_waits_and_how_long(
    client: str, facts: ClientFacts, edge: Mapping[str, Any], sessions: int, seconds: float
) -> None:
    rules = the_rules(
        edge={"wait": edge}, session={"sessions": 100}, relay={"trusted_networks": ["192.0.2.0/24"]}
    )
    assert seconds_to_wait(parse_ip(client), facts, rules, sessions=sessions) == seconds


def test_those_who_wait_leave_room_for_the_known() -> None:
    rules = the_rules(session={"sessions": 100})
    assert may_wait(49, rules)
    assert not may_wait(50, rules)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", Reason.HTTP_VERB),
        (b"post /x HTTP/1.0\r\n", Reason.HTTP_VERB),
        (b"CONNECT mx.example.com:25 HTTP/1.1\r\n", Reason.HTTP_VERB),
        (b"EHLO client.example.net\r\n", Reason.EARLY_TALKER),
        (b"GETTING", Reason.EARLY_TALKER),
        (b"\x16\x03\x01", Reason.EARLY_TALKER),
        (b"Q", Reason.EARLY_TALKER),
    ],
)
def test_words_before_the_banner(words: bytes, reason: Reason) -> None:
    decision = on_early_words(words)
    assert (decision.reason, decision.reply.code, decision.close) == (reason, 554, True)
