"""What becomes of messages."""

import asyncio
from typing import Any

import pytest

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_runtime.bus.topology import INLINE_BODY_BYTES, MAIL

MakeGate = Any  # see conftest.py

CONTENT = b"From: Anna <anna@example.net>\r\nSubject: x\r\n\r\nhello\r\n.\r\n..\r\nbye\r\n"
STUFFED = CONTENT.replace(b"\r\n.", b"\r\n..")
LOOK_ALIKES = (
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
)  # fmt: skip


def judge(action: Action, reason: Reason, *headers: tuple[str, str]) -> Any:
    """Return a scorer's function."""
    verdict = ContentVerdict(Status.HIT, action, reason, 7.3, headers, ("SOME_RULE",))

    def give(_envelope: Envelope, _raw: bytes) -> ContentVerdict:
        return verdict

    return give


def unavailable(_envelope: Envelope, _raw: bytes) -> ContentVerdict:
    """Be a scorer that cannot."""
    return ContentVerdict(Status.TEMPERROR, Action.DEFER, Reason.SCORING_UNAVAILABLE)


async def test_a_clean_message_is_kept_as_it_came_with_ours_on_top(gate: MakeGate) -> None:
    async with gate(identity__hostname="mx.example.com") as g:
        client = await g.greeted()
        reply = await client.deliver(STUFFED)
        assert (reply.code, reply.enhanced) == (250, "2.0.0")
        (mail,) = g.mails()
        ref = mail.envelope.ref
        assert reply.lines[0].endswith(f"[{ref}]")
        head, _, rest = mail.content.partition(b"X-Mailweir-Id: ")
        assert head.startswith(b"Received: from client.example.net ([127.0.0.1])\r\n")
        assert b"by mx.example.com (Mailweir) with ESMTP id " + ref.encode() in head
        assert rest.startswith(f"{ref}\r\nX-Mailweir-Version: {g.rt.version}\r\n".encode())
        assert mail.content.endswith(CONTENT)
        assert (mail.action, mail.reason) == ("accept", "clean")
        assert mail.envelope.sender == "anna@example.net"
        assert list(mail.envelope.recipients) == ["bob@example.com"]
        (stored,) = g.bus.stored(MAIL)
        assert stored.subject == f"mailweir.s0.mail.deliver.v1.{ref}"


async def test_scoring_sees_the_received_header_and_no_forgery(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.deliver(b"X-Spam-Flag: NO\r\nX-Mailweir-Id: forged\r\n" + CONTENT)
        ((envelope, raw),) = g.scorer.asked
        assert raw.startswith(b"Received: from client.example.net")
        assert b"X-Spam" not in raw
        assert b"forged" not in raw
        assert envelope.session.helo == "client.example.net"
        assert g.mails()[0].content.count(b"X-Mailweir-Id:") == 1


async def test_the_record_tells_everything(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net> SIZE=100 BODY=8BITMIME SMTPUTF8")
        await client.ask("RCPT TO:<bob@example.com>")
        await client.ask("RCPT TO:<x@elsewhere.example>")
        await client.ask("DATA")
        await client.send(CONTENT.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = await client.reply()
        (record,) = g.records()
        assert record.ref == g.mails()[0].envelope.ref
        assert record.reply == f"250 {reply.lines[0]}"
        assert record.bytes == len(CONTENT)
        assert (record.envelope.eight_bit, record.envelope.smtputf8) == (True, True)
        assert (record.config_version, record.version) == ("v.1", g.rt.version)
        skipped = {c.check for c in record.checks if c.detail == "not deployed"}
        assert skipped == {"reputation", "greylist", "ratelimit"}
        assert record.checks[-1].check == "scoring"
        (refused,) = record.refused
        assert (refused.address, refused.reason) == ("<x@elsewhere.example>", "relay-denied")
        assert refused.reply.startswith("550 5.7.1 ")


@pytest.mark.parametrize(
    ("action", "reason", "code", "subject"),
    [
        (Action.TAG, Reason.SUSPICIOUS, 250, "deliver"),
        (Action.HOLD, Reason.SPAM, 250, "hold"),
    ],
)
async def test_a_suspicious_message_is_taken_and_marked(
    gate: MakeGate, action: Action, reason: Reason, code: int, subject: str
) -> None:
    async with gate(judge=judge(action, reason, ("X-Spam-Flag", "YES"))) as g:
        client = await g.greeted()
        assert (await client.deliver(STUFFED)).code == code
        (stored,) = g.bus.stored(MAIL)
        assert f".mail.{subject}.v1." in stored.subject
        (mail,) = g.mails()
        assert (mail.action, mail.reason, mail.score) == (action, reason, 7.3)
        assert b"\r\nX-Spam-Flag: YES\r\nX-Mailweir-Unchecked: reputation," in mail.content


async def test_a_refused_message_is_recorded_and_not_kept(gate: MakeGate) -> None:
    async with gate(judge=judge(Action.REJECT, Reason.GTUBE)) as g:
        client = await g.greeted()
        reply = await client.deliver()
        assert (reply.code, reply.enhanced) == (550, "5.7.1")
        record = await g.record()
        assert (record.action, record.reason) == ("reject", "gtube")
        assert reply.lines[0].endswith(f"[{record.ref}]")
        assert g.mails() == []
        assert (await client.ask("MAIL FROM:<anna@example.net>")).code == 250


async def test_a_discarded_message_is_said_to_be_taken(gate: MakeGate) -> None:
    async with gate(judge=judge(Action.DISCARD, Reason.DISCARDED)) as g:
        client = await g.greeted()
        assert (await client.deliver()).code == 250
        assert (await g.record()).action == "discard"
        assert g.mails() == []


async def test_without_a_verdict_the_client_comes_again_and_at_the_third_time_it_is_held(
    gate: MakeGate,
) -> None:
    async with gate(judge=unavailable) as g:
        client = await g.greeted()
        assert [(await client.deliver()).code for _ in range(2)] == [451, 451]
        other = await client.deliver(b"Subject: another\r\n\r\n")
        assert (other.code, other.enhanced) == (451, "4.3.0")
        again = await g.greeted()
        assert (await again.deliver()).code == 250
        (mail,) = g.mails()
        assert (mail.action, mail.reason) == ("hold", "unscanned")


async def test_a_scorer_that_raises_is_a_temporary_refusal(gate: MakeGate) -> None:
    def broken(_envelope: Envelope, _raw: bytes) -> ContentVerdict:
        raise RuntimeError("secret")

    async with gate(judge=broken) as g:
        client = await g.greeted()
        reply = await client.deliver()
        assert (reply.code, reply.enhanced) == (451, "4.3.0")
        assert "secret" not in str(reply)
        assert g.sample("messages_total", action="defer", reason="internal-error") == 1


async def test_exempt_networks_are_not_scanned_and_may_not_relay(gate: MakeGate) -> None:
    async with gate(relay__unscanned_networks=["127.0.0.0/8"]) as g:
        client = await g.greeted()
        assert (await client.deliver()).code == 250
        assert g.scorer.asked == []
        assert g.mails()[0].reason == "exempt"
        await client.ask("MAIL FROM:<anna@example.net>")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).code == 550


async def test_trusted_networks_may_relay_and_are_scanned(gate: MakeGate) -> None:
    async with gate(relay__trusted_networks=["127.0.0.0/8"]) as g:
        client = await g.greeted()
        await client.begin("x@elsewhere.example", "bob@example.com")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        assert len(g.scorer.asked) == 1
        assert g.mails()[0].envelope.session.trusted


async def test_a_big_message_goes_to_the_body_store_first(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        big = b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * (INLINE_BODY_BYTES // 72 + 1)
        assert (await client.deliver(big)).code == 250
        (mail,) = g.mails()
        assert mail.content == b""
        assert mail.body.key == f"mail/{mail.envelope.ref}"
        content = await g.bus.bodies.get(mail.body.key)
        assert content is not None
        assert content.endswith(big)
        assert mail.body.bytes == len(content)


async def test_a_recipient_named_twice_gets_one_copy(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.begin("bob@example.com", "BOB@example.com", "carol@example.com")
        await client.send(b"hello\r\n.\r\n")
        await client.reply()
        assert list(g.mails()[0].envelope.recipients) == ["bob@example.com", "carol@example.com"]


async def test_the_null_sender_and_an_empty_message(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.begin(sender="")
        await client.send(b".\r\n")
        assert (await client.reply()).code == 250
        assert g.mails()[0].envelope.sender == ""
        assert g.records()[0].bytes == 0


async def test_utf8_addresses_need_the_extension(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        assert str(await client.ask("MAIL FROM:<jürgen@example.net>")).startswith("553 5.6.7")
        assert (await client.ask("MAIL FROM:<jürgen@example.net> SMTPUTF8")).code == 250
        assert (await client.ask("RCPT TO:<bjørn@example.com>")).code == 250
        await client.ask("DATA")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        (mail,) = g.mails()
        assert mail.envelope.sender == "jürgen@example.net"
        assert b"with UTF8SMTP id" in mail.content
        assert "for <bjørn@example.com>;".encode() in mail.content


async def test_size_is_announced_declared_and_enforced(gate: MakeGate) -> None:
    async with gate(message__bytes=1000) as g:
        client = await g.greeted()
        reply = await client.ask("MAIL FROM:<anna@example.net> SIZE=1001")
        assert (reply.code, reply.enhanced) == (552, "5.3.4")
        await client.begin()
        await client.send(b"x" * 998 + b"\r\n.\r\n")
        assert (await client.reply()).code == 250
        for size in (999, 1400):
            await client.begin()
            await client.send(b"x" * size + b"\r\n.\r\n")
            reply = await client.reply()
            assert (reply.code, reply.enhanced) == (552, "5.3.4")
        assert (await client.ask("NOOP")).code == 250
        assert len(g.mails()) == 1
        assert g.sample("memory_reserved_bytes") == 0


async def test_a_message_far_over_the_size_is_not_read_to_its_end(gate: MakeGate) -> None:
    async with gate(message__bytes=1000) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"x" * 10_000)
        assert (await client.reply()).code == 421
        assert await client.ended()
        assert (await g.record()).reason == "too-big"


async def test_a_giant_line_is_only_a_line(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        giant = b"x" * 300_000 + b"\r\n"
        assert (await client.deliver(b"Subject: x\r\n\r\n" + giant)).code == 250
        assert g.mails()[0].content.endswith(giant)
        g.swap(message__line_bytes=998)
        assert (await client.deliver(b"x" * 999 + b"\r\n")).code == 550


@pytest.mark.parametrize("sequence", LOOK_ALIKES)
@pytest.mark.parametrize("policy", ["normalise", "reject"])
async def test_nothing_is_smuggled_behind_a_look_alike(
    gate: MakeGate, sequence: bytes, policy: str
) -> None:
    smuggled = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nhello"
    async with gate(message__bare_newline=policy) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"Subject: x\r\n\r\nbody" + sequence + smuggled)
        await asyncio.sleep(0.01)
        await client.send(b"\r\n.\r\n")
        reply = await client.reply()
        bare = b"\x00" not in sequence
        assert reply.code == (550 if policy == "reject" and bare else 250)
        assert (await client.ask("QUIT")).code == 221  # and no reply to a second message before it
        for mail in g.mails():
            assert mail.envelope.sender == "anna@example.net"
            assert b"evil@example.net" in mail.content
            assert b"\n" not in mail.content.replace(b"\r\n", b"")
            assert b"\r" not in mail.content.replace(b"\r\n", b"")


async def test_a_loop_is_broken(gate: MakeGate) -> None:
    async with gate(message__received_hops=5) as g:
        client = await g.greeted()
        assert (await client.deliver(b"Received: x\r\n" * 5 + CONTENT[:-20] + b"\r\n")).code == 250
        reply = await client.deliver(b"Received: x\r\n" * 6 + b"\r\nhello\r\n")
        assert (reply.code, reply.enhanced) == (554, "5.4.6")


async def test_too_many_header_lines_are_refused(gate: MakeGate) -> None:
    async with gate(message__header_lines=10) as g:
        client = await g.greeted()
        assert (await client.deliver(b"X: y\r\n" * 11 + b"\r\n")).code == 550


async def test_a_transaction_keeps_the_policy_it_began_with(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.ask("RCPT TO:<bob@example.com>")
        g.swap(message__bytes=1)
        await client.ask("DATA")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        assert g.records()[0].config_version == "v.1"
        assert (await client.deliver()).code == 552


async def test_an_aborted_transaction_leaves_no_trace_but_its_refusals(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.ask("RCPT TO:<bob@example.com>")
        await client.ask("RSET")
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.ask("RCPT TO:<x@elsewhere.example>")
        assert str(await client.ask("DATA")).startswith("554 5.5.1")
        await client.ask("EHLO again.example.net")
        record = await g.record()
        assert (record.kind, record.reason) == (2, "relay-denied")
        assert record.ref.endswith("-2")
        assert len(record.refused) == 1
