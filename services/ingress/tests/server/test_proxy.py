"""PROXY headers on the wire."""

import struct
from typing import Any

import pytest

from mailweir_core.record import Listener
from mailweir_ingress.smtp.proxy import SIGNATURE

MakeGate = Any  # see conftest.py

V1 = b"PROXY TCP4 192.0.2.9 192.0.2.1 4321 25\r\n"
V2 = SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 15) + bytes(
    [192, 0, 2, 9, 192, 0, 2, 1]
) + struct.pack("!HH", 4321, 25) + b"\x04\x00\x00"  # fmt: skip
PROXIED = {"relay__proxy_networks": ["127.0.0.0/8"], "edge__wait__enabled": False}


@pytest.mark.parametrize("header", [V1, V2])
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_true_client_is_known(gate: MakeGate, header: bytes, size: int) -> None:
    async with gate(**PROXIED) as g:
        client = await g.connect()
        for i in range(0, len(header), size):
            await client.send(header[i : i + size])
        await client.greet()
        assert (await client.deliver()).code == 250
        session = g.mails()[0].envelope.session
        assert (session.client_ip, session.client_port) == ("192.0.2.9", 4321)
        assert session.proxy_ip == "127.0.0.1"
        assert b"([192.0.2.9])" in g.mails()[0].content


async def test_trust_goes_by_the_true_client(gate: MakeGate) -> None:
    async with gate(**PROXIED, relay__trusted_networks=["127.0.0.0/8"]) as g:
        client = await g.connect()
        await client.send(V1)
        await client.greet()
        await client.ask("MAIL FROM:<anna@example.net>")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).code == 550
        g.swap(**PROXIED, relay__trusted_networks=["192.0.2.9"])
        trusted = await g.connect()
        await trusted.send(V1)
        await trusted.greet()
        await trusted.ask("MAIL FROM:<anna@example.net>")
        assert (await trusted.ask("RCPT TO:<x@elsewhere.example>")).code == 250


@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN\r\n", SIGNATURE + struct.pack("!BBH", 0x20, 0x00, 0)]
)
async def test_the_proxy_itself_may_look_in(gate: MakeGate, header: bytes) -> None:
    async with gate(**PROXIED) as g:
        client = await g.connect()
        await client.send(header)
        await client.greet()
        await client.deliver()
        session = g.mails()[0].envelope.session
        assert (session.client_ip, session.proxy_ip) == ("127.0.0.1", "")


@pytest.mark.parametrize(
    "preface", [b"EHLO client.example.net\r\n", b"PROXY nonsense\r\n", b"PROXY " + b"x" * 200]
)
async def test_a_listed_proxy_must_say_for_whom_it_speaks(gate: MakeGate, preface: bytes) -> None:
    async with gate(**PROXIED) as g:
        client = await g.connect()
        await client.send(preface)
        assert (await client.reply()).code == 421
        assert await client.ended()
        assert g.sample("refusals_total", phase="connect", reason="bad-proxy-header") == 1
        assert (await g.record()).reason == "bad-proxy-header"


async def test_a_listed_proxy_must_not_take_long(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_ingress.smtp.gate.PROXY_SECONDS", 0.05)
    async with gate(**PROXIED) as g:
        client = await g.connect()
        await client.send(V1[:10])
        assert (await client.reply()).code == 421
        silent = await g.connect()
        silent.writer.write_eof()
        assert (await silent.reply()).code == 421


@pytest.mark.parametrize("header", [V1, V2])
async def test_a_strangers_header_is_not_believed(gate: MakeGate, header: bytes) -> None:
    async with gate(relay__trusted_networks=["192.0.2.9"]) as g:
        client = await g.connect()
        assert (await client.reply()).code == 220
        await client.send(header + b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n")
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (500, "5.5.2")
        assert await client.ended()
        assert g.sample("refusals_total", phase="connect", reason="bad-proxy-header") == 1
        record = await g.record()
        assert record.envelope.session.client_ip == "127.0.0.1"


async def test_implicit_tls_begins_behind_the_header(gate: MakeGate) -> None:
    async with gate(**PROXIED, accounts={"anna": ("secret", "@example.com")}) as g:
        client = await g.connect(Listener.SUBMISSIONS)
        await client.send(V2)
        await client.handshake(g.tls)
        await client.greet()
        assert (await client.log_in("anna", "secret")).code == 235
        await client.begin(sender="anna@example.com")
        await client.send(b"hello\r\n.\r\n")
        await client.reply()
        assert g.mails()[0].envelope.session.client_ip == "192.0.2.9"


async def test_that_all_clients_have_one_address_is_told(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_ingress.policy.clientele.MANY", 2)
    header = b"PROXY TCP4 %s 192.0.2.1 4321 25\r\n"
    async with gate(**PROXIED) as g:
        told = []
        for client in (b"10.0.0.1", b"10.0.0.1", b"192.0.2.9"):
            talk = await g.connect()
            await talk.send(header % client)
            await talk.greet()
            assert (await talk.deliver()).code == 250
            told.append((g.rt.detail != "", g.sample("clients_masked"), "10.0.0.1" in g.rt.detail))

    assert told == [(False, 0.0, False), (True, 1.0, True), (False, 0.0, False)]
