"""Who is turned away on the bare socket, who gets a gate, and what becomes of connections in between."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key, dump_ban
from mailweir_core.record import Listener
from mailweir_ingress.smtp import acceptor as module
from mailweir_ingress.smtp.gate import Gate
from mailweir_runtime.bus.topology import BANS

MakeGate = Any  # see conftest.py

PROXIED = {"relay__proxy_networks": ["127.0.0.0/8"], "edge__wait__enabled": False}
BANNED = b"PROXY TCP4 198.51.100.7 192.0.2.1 1 25\r\n"
GOOD = b"PROXY TCP4 203.0.113.7 192.0.2.1 1 25\r\n"


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> list[Gate]:
    """Return the gates that are made."""
    made: list[Gate] = []

    def make(*args: Any) -> Gate:
        made.append(Gate(*args))
        return made[-1]

    monkeypatch.setattr(module, "Gate", make)
    return made


async def ban(g: Any, subject: str = "198.51.100.0/24") -> None:
    """Ban a network, and wait until that holds."""
    made = Ban(subject, OffenceKind.UNKNOWN_USER, "x@example.com", 0, 4e9)
    await (await g.bus.bucket(BANS)).put(ban_key(subject), dump_ban(made))
    await asyncio.sleep(0.05)


async def test_who_is_banned_gets_no_gate(gate: MakeGate, gates: list[Gate]) -> None:
    async with gate(**PROXIED) as g:
        await ban(g)
        for _ in range(3):
            client = await g.connect()
            await client.send(BANNED)
            reply = await client.reply()
            assert (reply.code, reply.enhanced) == (421, "4.7.0")
            assert await client.ended()
        assert gates == []
        assert g.sample("refusals_total", phase="connect", reason="banned") == 3
        client = await g.connect()
        await client.send(GOOD)
        assert (await client.reply()).code == 220
        assert len(gates) == 1


async def test_without_a_proxy_it_is_the_same(gate: MakeGate, gates: list[Gate]) -> None:
    async with gate(edge__wait__enabled=False, relay__trusted_networks=[]) as g:
        await ban(g, "127.0.0.1")
        client = await g.connect()
        assert (await client.reply()).code == 421
        assert await client.ended()
        assert gates == []


async def test_who_talks_before_it_listens_gets_a_gate(gate: MakeGate, gates: list[Gate]) -> None:
    async with gate(**PROXIED) as g:
        await ban(g)
        client = await g.connect()
        await client.send(BANNED + b"EHLO x\r\n")
        assert (await client.reply()).code == 421
        assert await client.ended()
        assert len(gates) == 1
        assert g.sample("refusals_total", phase="connect", reason="banned") == 1


async def test_a_header_in_parts_is_read_by_the_gate(gate: MakeGate, gates: list[Gate]) -> None:
    async with gate(**PROXIED) as g:
        await ban(g)
        client = await g.connect()
        await client.send(BANNED[:20])
        await asyncio.sleep(0.05)
        await client.send(BANNED[20:])
        assert (await client.reply()).code == 421
        assert len(gates) == 1


async def test_who_is_silent_gets_a_gate_after_a_while(
    gate: MakeGate, gates: list[Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEADER_SECONDS", 0.05)
    async with gate(**PROXIED) as g:
        clients = []
        for _ in range(3):
            clients.append(await g.connect())
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert len(gates) == 3
        for client in clients:
            await client.send(GOOD)
            assert (await client.reply()).code == 220


async def test_who_is_silent_at_the_end_is_told_so_or_cut(gate: MakeGate) -> None:
    async with gate(**PROXIED) as g:
        client = await g.connect()
        await asyncio.sleep(0.05)
    assert await client.ended()


async def test_tls_from_the_first_byte_is_not_answered_in_text(
    gate: MakeGate, gates: list[Gate]
) -> None:
    async with gate(**PROXIED) as g:
        await ban(g)
        client = await g.connect(Listener.SUBMISSIONS)
        await client.send(BANNED)
        assert await client.ended()
        assert gates == []


class Full(socket.socket):
    """Listens, and has no descriptor for the first that comes."""

    failures = 1

    def accept(self) -> tuple[socket.socket, Any]:
        """Fail once."""
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_a_descriptor_it_rests_and_goes_on(
    gate: MakeGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_SECONDS", 0.05)
    real = socket.create_server

    def full(*args: Any, **more: Any) -> socket.socket:
        made = real(*args, **more)
        return Full(made.family, made.type, made.proto, made.detach())

    monkeypatch.setattr(socket, "create_server", full)
    async with gate(edge__wait__enabled=False) as g:
        client = await g.connect()
        assert (await client.reply()).code == 220
