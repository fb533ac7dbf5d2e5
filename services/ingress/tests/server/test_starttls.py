"""STARTTLS, and what must not survive it."""

import asyncio
from typing import Any

from mailweir_core.record import Listener

MakeGate = Any  # see conftest.py


async def test_tls_is_in_the_session_and_the_trace(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.start_tls(g.tls)
        hello = await client.ask("EHLO client.example.net")
        assert "STARTTLS" not in hello.lines
        assert (await client.deliver()).code == 250
        (mail,) = g.mails()
        assert mail.envelope.session.tls_version.startswith("TLSv1.")
        assert mail.envelope.session.tls_cipher
        assert b"\r\n\t(using TLSv1." in mail.content
        assert b"with ESMTPS id" in mail.content


async def test_what_is_pipelined_behind_starttls_is_thrown_away(gate: MakeGate) -> None:
    # CVE-2011-0411: kept, it would be answered as if it had come through TLS
    async with gate() as g:
        client = await g.greeted()
        await client.send(b"STARTTLS\r\nMAIL FROM:<evil@example.net>\r\nNOOP\r\n")
        assert (await client.reply()).code == 220
        await client.handshake(g.tls)
        assert (await client.ask("EHLO client.example.net")).code == 250
        assert (await client.ask("RCPT TO:<bob@example.com>")).code == 503


async def test_what_was_said_before_is_forgotten(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.ask("RCPT TO:<bob@example.com>")
        await client.start_tls(g.tls)
        assert (await client.ask("DATA")).code == 503
        assert (await client.ask("MAIL FROM:<anna@example.net>")).code == 503  # no EHLO yet
        await client.ask("EHLO client.example.net")
        assert (await client.deliver()).code == 250


async def test_starttls_has_no_argument_and_comes_once(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        assert (await client.ask("STARTTLS now")).code == 501
        await client.start_tls(g.tls)
        assert (await client.ask("STARTTLS")).code == 503


async def test_a_failed_handshake_ends_the_session(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        assert (await client.ask("STARTTLS")).code == 220
        await client.send(b"this is no handshake\r\n")
        async with asyncio.timeout(5):
            await client.reader.read()
        assert g.sample("tls_handshakes_failed_total") == 1
        assert g.mails() == []


async def test_the_peer_may_vanish_within_the_handshake(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.ask("STARTTLS")
        client.writer.transport.abort()
        second = await g.connect(Listener.SUBMISSIONS)
        second.writer.transport.abort()
        third = await g.greeted()
        assert (await third.deliver()).code == 250
