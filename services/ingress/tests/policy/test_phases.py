"""Decisions before the data, as tables."""

from dataclasses import replace

import pytest

from mailweir_core.address import AddressError
from mailweir_core.decision import Action
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.facts import ConnectFacts, HeloFacts, MailFacts
from mailweir_ingress.policy.phases import (
    RECIPIENTS,
    bad_recipient,
    bad_sender,
    on_connect,
    on_helo,
    on_mail,
    recipient_limit,
)
from mailweir_ingress.policy.relay import Standing
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_policy import policy_from

RULES = compile_rules(policy_from({"identity": {"hostname": "MX.example.com"}}), "v.1")


def rules(**parts: dict[str, object]) -> Rules:
    """Return rules of a policy with these parts."""
    return compile_rules(policy_from(parts), "v.1")


CONNECT = ConnectFacts(sessions=1, client_sessions=1, memory_left=True, draining=False)


@pytest.mark.parametrize(
    ("facts", "code", "reason"),
    [
        (CONNECT, 220, Reason.CLEAN),
        (replace(CONNECT, sessions=3), 220, Reason.CLEAN),
        (replace(CONNECT, sessions=4), 421, Reason.TOO_MANY_SESSIONS),
        (replace(CONNECT, client_sessions=2), 220, Reason.CLEAN),
        (replace(CONNECT, client_sessions=3), 421, Reason.TOO_MANY_SESSIONS),
        (replace(CONNECT, memory_left=False), 421, Reason.MEMORY_FULL),
        (replace(CONNECT, draining=True), 421, Reason.SHUTTING_DOWN),
    ],
)
def test_connect(facts: ConnectFacts, code: int, reason: Reason) -> None:
    limits = rules(session={"sessions": 3, "sessions_per_client": 2})
    decision = on_connect(facts, limits)
    assert (decision.reply.code, decision.reason) == (code, reason)
    assert decision.close is (code == 421)


HELO = HeloFacts(name="client.example.net", client_ip="192.0.2.9", own_ip="192.0.2.1", known=False)


@pytest.mark.parametrize(
    "name",
    [
        "client.example.net", "client", "[192.0.2.9]", "[IPv6:2001:db8::1]", "192.0.2.9",
        "under_score.example", "x" * 255, "bücher.example", "mx.example.com.evil.example",
    ],
)  # fmt: skip
def test_nearly_any_name_will_do(name: str) -> None:
    assert on_helo(replace(HELO, name=name), RULES).action is Action.ACCEPT


@pytest.mark.parametrize("name", ["", "two words", "x" * 256, "tab\tname", "\udcff.example"])
def test_a_name_is_one_printable_word(name: str) -> None:
    decision = on_helo(replace(HELO, name=name), RULES)
    assert (decision.reply.code, decision.reply.enhanced) == (501, "5.5.4")


@pytest.mark.parametrize(
    "name", ["mx.example.com", "MX.EXAMPLE.COM", "mx.example.com.", "[192.0.2.1]", "192.0.2.1"]
)
def test_nobody_else_has_our_name_or_address(name: str) -> None:
    decision = on_helo(replace(HELO, name=name), RULES)
    assert (decision.reply.code, decision.reason) == (550, Reason.BAD_HELO)
    assert on_helo(replace(HELO, name=name, known=True), RULES).action is Action.ACCEPT
    lenient = compile_rules(
        RULES.policy.model_copy(
            update={"relay": RULES.policy.relay.model_copy(update={"reject_own_name_helo": False})}
        ),
        "v.2",
    )
    assert on_helo(replace(HELO, name=name), lenient).action is Action.ACCEPT


def test_an_ipv6_literal_of_ours_is_ours_too() -> None:
    facts = replace(HELO, name="[IPv6:2001:db8::1]", own_ip="2001:0db8::0001")
    assert on_helo(facts, RULES).reason is Reason.BAD_HELO


def test_a_client_on_our_own_machine_may_say_so() -> None:
    facts = replace(HELO, name="[127.0.0.1]", client_ip="127.0.0.1", own_ip="127.0.0.1")
    assert on_helo(facts, RULES).action is Action.ACCEPT


MAIL = MailFacts(
    listener=Listener.MX,
    greeted=True,
    encrypted=False,
    authenticated=False,
    trusted=False,
    messages=0,
    declared_bytes=0,
    local_sender=False,
    null_sender=False,
    sender_owned=False,
)
USER = replace(
    MAIL,
    listener=Listener.SUBMISSION,
    encrypted=True,
    authenticated=True,
    sender_owned=True,
)


@pytest.mark.parametrize(
    ("facts", "code", "enhanced", "reason"),
    [
        (MAIL, 250, "2.1.0", Reason.CLEAN),
        (replace(MAIL, null_sender=True), 250, "2.1.0", Reason.CLEAN),
        (replace(MAIL, local_sender=True), 250, "2.1.0", Reason.CLEAN),
        (replace(MAIL, greeted=False), 503, "5.5.1", Reason.BAD_SEQUENCE),
        (replace(MAIL, messages=99), 250, "2.1.0", Reason.CLEAN),
        (replace(MAIL, messages=100), 421, "4.7.0", Reason.TOO_MANY_COMMANDS),
        (replace(MAIL, declared_bytes=26_214_400), 250, "2.1.0", Reason.CLEAN),
        (replace(MAIL, declared_bytes=26_214_401), 552, "5.3.4", Reason.TOO_BIG),
        (USER, 250, "2.1.0", Reason.CLEAN),
        (replace(USER, listener=Listener.SUBMISSIONS), 250, "2.1.0", Reason.CLEAN),
        (replace(USER, authenticated=False), 530, "5.7.0", Reason.AUTH_REQUIRED),
        (replace(USER, authenticated=False, trusted=True), 530, "5.7.0", Reason.AUTH_REQUIRED),
        (
            replace(USER, authenticated=False, encrypted=False),
            530,
            "5.7.0",
            Reason.TLS_REQUIRED,
        ),
        (replace(USER, greeted=False), 503, "5.5.1", Reason.BAD_SEQUENCE),
        (replace(USER, sender_owned=False), 550, "5.7.1", Reason.SENDER_NOT_OWNED),
        (replace(USER, sender_owned=False, null_sender=True), 250, "2.1.0", Reason.CLEAN),
    ],
)
def test_mail(facts: MailFacts, code: int, enhanced: str, reason: Reason) -> None:
    decision = on_mail(facts, RULES)
    assert (decision.reply.code, decision.reply.enhanced, decision.reason) == (
        code,
        enhanced,
        reason,
    )


def test_helo_may_be_waived_for_strangers_only() -> None:
    lenient = rules(relay={"require_helo": False})
    assert on_mail(replace(MAIL, greeted=False), lenient).action is Action.ACCEPT
    assert on_mail(replace(USER, greeted=False), lenient).reason is Reason.BAD_SEQUENCE


def test_a_local_sender_may_be_refused_to_strangers() -> None:
    strict = rules(relay={"reject_local_sender_unauthenticated": True})
    facts = replace(MAIL, local_sender=True)
    assert on_mail(facts, strict).reason is Reason.LOCAL_SENDER_UNAUTHENTICATED
    assert on_mail(replace(facts, trusted=True), strict).action is Action.ACCEPT
    assert on_mail(replace(USER, local_sender=True), strict).action is Action.ACCEPT
    assert on_mail(MAIL, strict).action is Action.ACCEPT


def test_ownership_may_be_waived() -> None:
    lenient = rules(submission={"sender_must_be_owned": False})
    assert on_mail(replace(USER, sender_owned=False), lenient).action is Action.ACCEPT


def test_users_have_a_recipient_limit_of_their_own_within_the_common_one() -> None:
    limits = rules(session={"recipients_per_message": 50}, submission={"recipients_per_message": 9})
    assert recipient_limit(limits, authenticated=False) == 50
    assert recipient_limit(limits, authenticated=True) == 9
    wide = rules(session={"recipients_per_message": 5}, submission={"recipients_per_message": 9})
    assert recipient_limit(wide, authenticated=True) == 5


@pytest.mark.parametrize(
    ("standing", "code", "enhanced", "reason"),
    [
        (Standing.LOCAL, 250, "2.1.5", Reason.CLEAN),
        (Standing.RELAY, 250, "2.1.5", Reason.CLEAN),
        (Standing.PROBE, 451, "4.4.3", Reason.RECIPIENT_UNVERIFIED),
        (Standing.UNKNOWN, 550, "5.1.1", Reason.UNKNOWN_RECIPIENT),
        (Standing.DENIED, 550, "5.7.1", Reason.RELAY_DENIED),
        (Standing.ROUTED, 550, "5.7.1", Reason.RELAY_DENIED),
        (Standing.LITERAL, 550, "5.1.2", Reason.BAD_ADDRESS),
    ],
)
def test_rcpt(standing: Standing, code: int, enhanced: str, reason: Reason) -> None:
    decision = RECIPIENTS[standing]
    assert (decision.reply.code, decision.reply.enhanced, decision.reason) == (
        code,
        enhanced,
        reason,
    )


def test_every_standing_has_a_decision() -> None:
    assert set(RECIPIENTS) == set(Standing)


@pytest.mark.parametrize("error", AddressError)
def test_a_bad_address_is_refused_for_good(error: AddressError) -> None:
    for decision, syntax in ((bad_sender(error), "5.1.7"), (bad_recipient(error), "5.1.3")):
        wanted = (553, "5.6.7") if error is AddressError.NEEDS_UTF8 else (501, syntax)
        assert (decision.reply.code, decision.reply.enhanced) == wanted
        assert decision.reason is Reason.BAD_ADDRESS
        assert str(error) in decision.reply.text
