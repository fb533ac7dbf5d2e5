"""Sessions from the banner to QUIT."""

import asyncio
from typing import Any

import pytest

from mailweir_core.ids import is_ref
from mailweir_core.record import Listener

MakeGate = Any  # see conftest.py


def reference(text: str) -> str:
    """Return the reference at the end of a reply line."""
    assert text.endswith("]")
    ref = text[text.rindex("[") + 1 : -1]
    assert is_ref(ref)
    return ref


async def test_the_banner_and_what_is_offered(gate: MakeGate) -> None:
    async with gate(identity__hostname="mx.example.com", message__bytes=123_456) as g:
        client = await g.connect()
        banner = await client.reply()
        assert banner.code == 220
        assert banner.lines[0].startswith("mx.example.com ESMTP ")
        hello = await client.ask("EHLO client.example.net")
        assert hello.code == 250
        assert hello.lines[0] == "mx.example.com"
        assert set(hello.lines[1:]) == {
            "SIZE 123456", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS",
        }  # fmt: skip
        assert str(await client.ask("HELO client.example.net")) == "250 mx.example.com"


async def test_without_a_certificate_no_tls_is_offered(gate: MakeGate) -> None:
    async with gate(tls=None) as g:
        client = await g.connect()
        await client.reply()
        hello = await client.ask("EHLO client.example.net")
        assert "STARTTLS" not in hello.lines
        assert (await client.ask("STARTTLS")).code == 502


async def test_every_reply_has_an_enhanced_code_and_the_reference(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.connect()
        session = reference((await client.reply()).lines[0])
        await client.ask("EHLO client.example.net")
        for command, code, enhanced in (
            ("NOOP", 250, "2.0.0"),
            ("RSET", 250, "2.0.0"),
            ("HELP", 214, "2.0.0"),
            ("VRFY bob", 252, "2.5.0"),
            ("EXPN staff", 502, "5.5.1"),
            ("ETRN example.com", 502, "5.5.1"),
            ("FLY", 500, "5.5.2"),
            ("RCPT TO:<bob@example.com>", 503, "5.5.1"),
            ("DATA", 503, "5.5.1"),
            ("MAIL TO:<x>", 501, "5.5.4"),
            ("RSET now", 501, "5.5.4"),
        ):
            reply = await client.ask(command)
            assert (reply.code, reply.enhanced) == (code, enhanced), command
            assert reference(reply.lines[0]) == session
        mail = await client.ask("MAIL FROM:<anna@example.net>")
        assert reference(mail.lines[0]) == f"{session}-1"
        bye = await client.ask("QUIT")
        assert (bye.code, bye.enhanced) == (221, "2.0.0")
        assert await client.ended()


async def test_commands_are_taken_in_any_case_and_with_a_blank(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        assert (await client.ask("mail from: <anna@example.net>")).code == 250
        assert (await client.ask("Rcpt To: <bob@example.com>")).code == 250
        assert (await client.ask("dAtA")).code == 354
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250


async def test_a_whole_envelope_in_one_packet_is_answered_in_order(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.send(
            b"MAIL FROM:<anna@example.net>\r\nRCPT TO:<bob@example.com>\r\n"
            b"RCPT TO:<nobody@elsewhere.example>\r\nRCPT TO:<carol@example.com>\r\nDATA\r\n"
        )
        assert [(await client.reply()).code for _ in range(5)] == [250, 250, 550, 250, 354]
        await client.send(b"one\r\n.\r\nMAIL FROM:<anna@example.net>\r\nRSET\r\nQUIT\r\n")
        assert [(await client.reply()).code for _ in range(4)] == [250, 250, 250, 221]
        assert len(g.mails()) == 1


async def test_commands_may_come_a_byte_at_a_time(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        for byte in b"NOOP\r\n":
            await client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        assert (await client.reply()).code == 250


@pytest.mark.parametrize("verb", ["GET / HTTP/1.1", "POST /x HTTP/1.0", "CONNECT a:25 HTTP/1.1"])
async def test_a_web_client_is_sent_away(gate: MakeGate, verb: str) -> None:
    async with gate() as g:
        client = await g.connect()
        await client.reply()
        await client.send(f"{verb}\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n".encode())
        assert (await client.reply()).code == 554
        assert await client.ended()
        record = await g.record()
        assert (record.reason, record.action) == ("http-verb", "reject")


async def test_who_talks_before_the_banner_is_sent_away_on_the_mx_port_only(
    gate: MakeGate,
) -> None:
    # a proxy's header is awaited first, so that what is behind it has certainly come before the banner
    early = b"PROXY TCP4 192.0.2.9 192.0.2.1 1 25\r\nEHLO client.example.net\r\n"
    async with gate(relay__proxy_networks=["127.0.0.0/8"]) as g:
        client = await g.connect()
        await client.send(early)
        assert str(await client.reply()).startswith("554 5.5.1")
        assert await client.ended()
        assert (await g.record()).reason == "early-talker"
        submitter = await g.connect(Listener.SUBMISSION)
        await submitter.send(early)
        assert (await submitter.reply()).code == 220
        g.swap(session__reject_early_talkers=False, relay__proxy_networks=["127.0.0.0/8"])
        tolerated = await g.connect()
        await tolerated.send(early)
        assert (await tolerated.reply()).code == 220
        assert (await tolerated.reply()).code == 250


async def test_who_does_not_wait_for_354_is_sent_away(gate: MakeGate) -> None:
    rude = (
        b"MAIL FROM:<anna@example.net>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
        b"Subject: x\r\n\r\nMAIL FROM:<evil@example.net>\r\n.\r\n"
    )
    async with gate() as g:
        client = await g.greeted()
        await client.send(rude)
        assert [(await client.reply()).code for _ in range(3)] == [250, 250, 554]
        assert await client.ended()
        assert g.mails() == []
        g.swap(session__reject_early_data=False)
        tolerated = await g.greeted()
        await tolerated.send(rude)
        assert [(await tolerated.reply()).code for _ in range(4)] == [250, 250, 354, 250]


async def test_chunks_are_not_taken_for_commands(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.send(
            b"BDAT 40 LAST\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.com>"
        )
        assert (await client.reply()).code == 502
        assert await client.ended()


async def test_an_overlong_command_is_refused_and_the_session_goes_on(gate: MakeGate) -> None:
    async with gate(session__command_line_bytes=512) as g:
        client = await g.greeted()
        assert (await client.ask("NOOP " + "x" * 505)).code == 250
        reply = await client.ask("NOOP " + "x" * 506)
        assert (reply.code, reply.enhanced) == (500, "5.5.2")
        assert (await client.ask("NOOP " + "x" * 100_000)).code == 500
        assert (await client.ask("NOOP")).code == 250


async def test_an_endless_line_ends_the_session(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        client.writer.write(b"x" * 600_000)
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (421, "4.5.2")
        assert await client.ended()
        record = await g.record()
        assert (record.kind, record.reason) == (3, "line-too-long")


@pytest.mark.parametrize(
    "line", [b"NOOP\x00\r\n", b"NO\rOP\r\n", b"\x80\xff\r\n", b"\r\n", b"   \r\n"]
)
async def test_what_is_no_command_line_is_refused(gate: MakeGate, line: bytes) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.send(line)
        assert (await client.reply()).code == 500
        assert (await client.ask("NOOP")).code == 250


async def test_a_bare_newline_ends_a_command_unless_the_policy_forbids(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.send(b"NOOP\nNOOP\r\n")
        assert [(await client.reply()).code for _ in range(2)] == [250, 250]
        g.swap(message__bare_newline="reject")
        strict = await g.greeted()
        await strict.send(b"NOOP\n")
        assert (await strict.reply()).code == 500
        assert await strict.ended()


async def test_errors_slow_a_session_down_and_then_end_it(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_ingress.smtp.dialogue.SOFT_ERROR_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    async with gate(session__soft_errors=2, session__hard_errors=5) as g:
        client = await g.greeted()
        for _ in range(2):
            assert (await client.ask("FLY")).code == 500
        started = loop.time()
        assert (await client.ask("FLY")).code == 500
        assert (await client.ask("NOOP")).code == 250
        assert loop.time() - started >= 0.1
        assert (await client.ask("FLY")).code == 500
        assert (await client.ask("FLY")).code == 500
        assert str(await client.reply()).startswith("421 4.7.0")
        assert await client.ended()
        assert (await g.record()).reason == "too-many-errors"


async def test_delivering_mail_makes_up_for_errors(gate: MakeGate) -> None:
    async with gate(session__soft_errors=3, session__hard_errors=3) as g:
        client = await g.greeted()
        for _ in range(3):
            assert (await client.ask("FLY")).code == 500
            assert (await client.ask("FLY")).code == 500
            assert (await client.deliver()).code == 250
        assert (await client.ask("QUIT")).code == 221


async def test_commands_without_mail_become_errors(gate: MakeGate) -> None:
    async with gate(session__junk_commands=4, session__soft_errors=2, session__hard_errors=2) as g:
        client = await g.greeted()  # EHLO is the first
        for _ in range(3):
            assert (await client.ask("NOOP")).code == 250
        assert (await client.ask("RSET")).code == 250
        assert (await client.ask("VRFY x")).code == 252
        assert (await client.reply()).code == 421
        assert await client.ended()


async def test_recipients_over_the_limit_are_no_errors_until_there_are_far_too_many(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_ingress.smtp.conversation.OVERSHOOT", 30)
    async with gate(session__recipients_per_message=2, session__hard_errors=10) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        for number in range(2):
            assert (await client.ask(f"RCPT TO:<bob{number}@example.com>")).code == 250
        for number in range(30):
            reply = await client.ask(f"RCPT TO:<over{number}@example.com>")
            assert (reply.code, reply.enhanced) == (452, "4.5.3")
        codes = [(await client.ask("RCPT TO:<x@example.com>")).code for _ in range(10)]
        assert codes == [452] * 10
        assert (await client.reply()).code == 421


async def test_a_fault_of_ours_says_nothing_of_our_insides(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret path /etc/x")

    async with gate() as g:
        client = await g.greeted()
        monkeypatch.setattr("mailweir_ingress.smtp.verbs_mail.read_mail", broken)
        reply = await client.ask("MAIL FROM:<anna@example.net>")
        assert (reply.code, reply.enhanced) == (451, "4.3.0")
        assert "secret" not in str(reply)
        assert "Error" not in str(reply)
        assert await client.ended()


async def test_a_crash_before_the_banner_ends_that_session_alone(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError

    async with gate() as g:
        good = await g.greeted()
        with monkeypatch.context() as patch:
            patch.setattr("mailweir_ingress.smtp.dialogue.open_session", broken)
            client = await g.connect()
            assert await client.ended()
        assert (await good.deliver()).code == 250
        assert g.sample("sessions_total", listener="mx", ending="crashed") == 1


async def test_our_own_name_is_not_the_clients(gate: MakeGate) -> None:
    async with gate(identity__hostname="mx.example.com") as g:
        client = await g.connect()
        await client.reply()
        assert str(await client.ask("EHLO mx.example.com")).startswith("550 5.7.1")
        assert (await client.ask("EHLO [127.0.0.1]")).code == 250
        assert (await client.ask("EHLO two words")).code == 501
        assert g.sample("refusals_total", phase="helo", reason="bad-helo") == 1


async def test_a_client_that_half_closes_gets_its_replies(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.begin()
        client.writer.write(b"hello\r\n.\r\nQUIT\r\n")
        client.writer.write_eof()
        assert [(await client.reply()).code for _ in range(2)] == [250, 221]
        assert await client.ended()


async def test_the_session_is_counted(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        assert g.sample("sessions_open", listener="mx") == 1
        await client.deliver()
        await client.ask("QUIT")
        assert await client.ended()
        assert g.sample("sessions_open", listener="mx") == 0
        assert g.sample("sessions_total", listener="mx", ending="quit") == 1
        assert g.sample("replies_total", **{"class": "2xx"}) == 6
        assert g.sample("replies_total", **{"class": "3xx"}) == 1
        assert g.sample("messages_total", action="accept", reason="clean") == 1
        assert g.sample("checks_total", check="scoring", status="ok") == 1
        assert g.sample("received_bytes_total") == len(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert g.sample("memory_reserved_bytes") == 0
        for phase in ("data", "score", "store"):
            assert g.sample("phase_seconds_count", phase=phase) == 1
