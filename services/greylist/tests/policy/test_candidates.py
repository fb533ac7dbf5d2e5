"""Who is asked to come back at all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mailweir_core.record import Listener
from mailweir_greylist.policy.candidates import WORDS, Spared, names, spared, spared_recipient
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistPolicy

Ask = Callable[..., Question]
PASS = {"spf": "pass", "spf_domain": "example.net"}


def policy(**fields: Any) -> GreylistPolicy:
    return GreylistPolicy.model_validate(fields)


@pytest.mark.parametrize(
    ("facts", "fields", "why"),
    [
        ({}, {}, None),
        ({"suspicion": 2.0}, {}, None),
        ({"suspicion": 1.99}, {}, Spared.UNSUSPICIOUS),
        ({"suspicion": 1.99}, {"mode": "sender"}, None),
        ({}, {"mode": "off"}, Spared.OFF),
        ({"allowed": True}, {}, Spared.ALLOWED),
        ({"known": True}, {}, Spared.KNOWN),
        ({"suspicion": 0.0, "score": 4.0}, {}, None),
        ({"suspicion": 9.0, "score": 3.9}, {}, Spared.UNSUSPICIOUS),
        ({"score": 9.0}, {"score": None}, Spared.UNSUSPICIOUS),
        ({"score": 3.0}, {"mode": "sender"}, Spared.UNSUSPICIOUS),
        ({}, {"bypass_clients": ["192.0.2.0/24"]}, Spared.BYPASSED),
        ({}, {"bypass_clients": ["192.0.3.0/24"]}, None),
        ({"host": "mx.example.net"}, {"bypass_clients": ["host:mx.example.net"]}, Spared.BYPASSED),
        ({"host": "a.mx.example.net"}, {"bypass_clients": ["host:*.example.net"]}, Spared.BYPASSED),
        ({"host": "example.net"}, {"bypass_clients": ["host:*.example.net"]}, None),
        (PASS, {"bypass_senders": ["ann@example.net"]}, Spared.BYPASSED),
        (PASS, {"bypass_senders": ["@example.net"]}, Spared.BYPASSED),
        (PASS, {"bypass_senders": ["@.net"]}, Spared.BYPASSED),
        (PASS, {"bypass_senders": ["@example.org"]}, None),
        ({}, {"bypass_senders": ["ann@example.net"]}, None),  # anybody can say so
        ({"spf": "fail", "spf_domain": "x.net"}, {"bypass_senders": ["@example.net"]}, None),
    ],
)
def test_who_is_asked(
    ask: Ask, facts: dict[str, Any], fields: dict[str, Any], why: Spared | None
) -> None:
    assert spared(ask(**facts), policy(**fields)) is why


@pytest.mark.parametrize(
    "changed",
    [{"trusted": True}, {"auth_user": "ann"}, {"listener": Listener.SUBMISSION}],
)
def test_our_own_are_never_asked(ask: Ask, changed: dict[str, Any]) -> None:
    question = ask()
    session = replace(question.session, **changed)
    for score in (None, 20.0):
        asked = replace(question, session=session, score=score)
        assert spared(asked, policy(mode="sender")) is Spared.OURS


@pytest.mark.parametrize("mode", ["suspicious", "sender", "ip", "sender-ip", "ip-helo"])
def test_a_bounce_is_never_kept_waiting(ask: Ask, mode: str) -> None:
    assert spared(ask(""), policy(mode=mode)) is Spared.NULL_SENDER


def test_recipients_that_want_no_delay() -> None:
    wanted = policy(bypass_recipients=["sales@example.com", "@example.org"])
    assert spared_recipient("Sales@Example.com", wanted)
    assert spared_recipient("any@example.org", wanted)
    assert not spared_recipient("bob@example.com", wanted)
    assert not spared_recipient("any@sub.example.org", wanted)
    assert not spared_recipient("any@example.org", policy())


def test_below_takes_the_domain_itself_for_senders_but_not_for_hosts() -> None:
    below = names(("@.example.net",))
    assert below.has_mailbox("a@example.net")
    assert below.has_mailbox("a@b.c.example.net")
    assert not below.has_mailbox("a@badexample.net")
    assert not names(("host:*.example.net",)).has_host("badexample.net")


def test_each_reason_has_words() -> None:
    assert set(WORDS) == set(Spared)
