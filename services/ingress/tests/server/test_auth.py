"""Our own users."""

import base64
import json
from typing import Any

import pytest

from mailweir_core.record import Listener
from mailweir_ingress.ports import AccountsUnavailable
from mailweir_runtime.bus.topology import ACCOUNTS

MakeGate = Any  # see conftest.py

ANNA = {"anna@example.com": ("secret", "anna@example.com", "@shop.example")}


def b64(text: str) -> str:
    """Return a text in base64."""
    return base64.b64encode(text.encode()).decode()


async def test_a_user_sends_anywhere(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        reply = await client.log_in("Anna@example.com", "secret")
        assert (reply.code, reply.enhanced) == (235, "2.7.0")
        await client.begin("x@elsewhere.example", sender="anna@example.com")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        (mail,) = g.mails()
        assert mail.envelope.session.auth_user == "anna@example.com"
        assert mail.envelope.session.listener == "submission"
        assert b"with ESMTPSA id" in mail.content
        assert len(g.scorer.asked) == 1
        assert g.sample("logins_total", outcome="good") == 1


async def test_users_may_be_spared_the_scan(gate: MakeGate) -> None:
    async with gate(accounts=ANNA, relay__scan_submission=False) as g:
        client = await g.submitter()
        await client.log_in("anna@example.com", "secret")
        await client.begin(sender="anna@example.com")
        await client.send(b"hello\r\n.\r\n")
        await client.reply()
        assert g.scorer.asked == []
        assert g.mails()[0].reason == "exempt"


async def test_login_with_its_challenges(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        assert str(await client.ask("AUTH LOGIN")) == "334 VXNlcm5hbWU6"
        assert str(await client.ask(b64("anna@example.com"))) == "334 UGFzc3dvcmQ6"
        assert (await client.ask(b64("secret"))).code == 235


async def test_login_with_the_name_given_at_once(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        assert (await client.ask(f"auth login {b64('anna@example.com')}")).code == 334
        assert (await client.ask(b64("secret"))).code == 235


async def test_plain_with_its_challenge(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        assert str(await client.ask("AUTH PLAIN")) == "334 "
        assert (await client.ask(b64("\0anna@example.com\0secret"))).code == 235


async def test_auth_is_offered_over_tls_to_strangers_on_submission_only(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        plain = await g.connect(Listener.SUBMISSION)
        await plain.reply()
        assert "AUTH PLAIN LOGIN" not in (await plain.ask("EHLO x")).lines
        reply = await plain.log_in("anna@example.com", "secret")
        assert (reply.code, reply.enhanced) == (538, "5.7.11")
        encrypted = await g.submitter()
        assert "AUTH PLAIN LOGIN" in (await encrypted.ask("EHLO x")).lines
        await encrypted.log_in("anna@example.com", "secret")
        assert "AUTH PLAIN LOGIN" not in (await encrypted.ask("EHLO x")).lines
        mx = await g.greeted()
        await mx.start_tls(g.tls)
        assert "AUTH PLAIN LOGIN" not in (await mx.ask("EHLO x")).lines
        assert (await mx.log_in("anna@example.com", "secret")).code == 502


async def test_port_465_has_tls_from_the_first_byte(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.greeted(Listener.SUBMISSIONS)
        assert (await client.log_in("anna@example.com", "secret")).code == 235
        await client.begin(sender="x@shop.example")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        assert g.mails()[0].envelope.session.listener == "submissions"


async def test_nobody_submits_without_logging_in(gate: MakeGate) -> None:
    async with gate(accounts=ANNA, relay__trusted_networks=["127.0.0.0/8"]) as g:
        plain = await g.greeted(Listener.SUBMISSION)
        reply = await plain.ask("MAIL FROM:<anna@example.com>")
        assert (reply.code, reply.enhanced) == (530, "5.7.0")
        encrypted = await g.submitter()
        reply = await encrypted.ask("MAIL FROM:<anna@example.com>")
        assert (reply.code, reply.enhanced) == (530, "5.7.0")
        assert {record.reason for record in g.records()} <= {"auth-required", "tls-required"}


async def test_a_user_sends_from_his_own_addresses(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        await client.log_in("anna@example.com", "secret")
        reply = await client.ask("MAIL FROM:<boss@example.com>")
        assert (reply.code, reply.enhanced) == (550, "5.7.1")
        for sender in ("anna+x@example.com", "whoever@shop.example", ""):
            assert (await client.ask(f"MAIL FROM:<{sender}>")).code == 250
            await client.ask("RSET")
        assert (await g.record()).reason == "sender-not-owned"


@pytest.mark.parametrize(
    ("command", "code", "enhanced"),
    [
        ("AUTH", 501, "5.5.4"),
        ("AUTH CRAM-MD5", 504, "5.5.4"),
        ("AUTH PLAIN !!!", 501, "5.5.2"),
        (f"AUTH PLAIN {b64('x')}", 501, "5.5.2"),
        (f"AUTH PLAIN {b64('other' + chr(0) + 'anna' + chr(0) + 'secret')}", 501, "5.5.2"),
        ("AUTH PLAIN =", 501, "5.5.2"),
    ],
)
async def test_what_is_no_login_is_refused(
    gate: MakeGate, command: str, code: int, enhanced: str
) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        reply = await client.ask(command)
        assert (reply.code, reply.enhanced) == (code, enhanced)
        assert (await client.log_in("anna@example.com", "secret")).code == 235


async def test_a_client_may_cancel_or_be_nonsensical_or_go(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        for mechanism in ("PLAIN", "LOGIN"):
            await client.ask(f"AUTH {mechanism}")
            assert (await client.ask("*")).code == 501
        await client.ask("AUTH LOGIN")
        await client.ask(b64("anna@example.com"))
        assert (await client.ask("*")).code == 501
        await client.ask("AUTH LOGIN")
        await client.ask("???")
        assert (await client.ask(b64("secret"))).code == 501
        await client.ask("AUTH LOGIN")
        await client.close()


async def test_auth_comes_once_and_not_within_a_transaction(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        await client.log_in("anna@example.com", "secret")
        assert (await client.log_in("anna@example.com", "secret")).code == 503
        await client.ask("MAIL FROM:<anna@example.com>")
        assert (await client.ask("AUTH PLAIN")).code == 503


async def test_a_new_greeting_forgets_nobody(gate: MakeGate) -> None:
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        await client.log_in("anna@example.com", "secret")
        await client.ask("EHLO again.example.net")
        assert (await client.ask("MAIL FROM:<anna@example.com>")).code == 250


async def test_accounts_come_and_go_while_we_run(gate: MakeGate) -> None:
    async with gate(accounts=ANNA, session__auth_failure_delay_seconds=0) as g:
        client = await g.submitter()
        assert (await client.log_in("anna@example.com", "secret")).code == 235
        bucket = await g.bus.bucket(ACCOUNTS)
        (entry,) = await bucket.entries()
        document = json.loads(entry.value)
        await bucket.put(entry.key, json.dumps({**document, "disabled": True}).encode())
        other = await g.submitter()
        assert (await other.log_in("anna@example.com", "secret")).code == 535


async def test_while_accounts_are_unknown_a_login_is_for_later(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise AccountsUnavailable

    monkeypatch.setattr("mailweir_ingress.adapters.accounts.BusAccounts.login", unavailable)
    async with gate(accounts=ANNA) as g:
        client = await g.submitter()
        reply = await client.log_in("anna@example.com", "secret")
        assert (reply.code, reply.enhanced) == (454, "4.7.0")
        assert g.sample("logins_total", outcome="unavailable") == 1
