"""Every bound of a session and of all together."""

import asyncio
from typing import Any

import pytest

from mailweir_core.record import Listener
from mailweir_ingress.smtp.budget import QUANTUM

MakeGate = Any  # see conftest.py


@pytest.fixture(autouse=True)
def _sweep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_ingress.smtp.sessions.SWEEP_SECONDS", 0.01)
    monkeypatch.setattr("mailweir_ingress.smtp.wire.LINGER_SECONDS", 0.2)


async def test_sessions_in_all(gate: MakeGate) -> None:
    async with gate(session__sessions=2) as g:
        first = await g.greeted()
        await g.greeted()
        third = await g.connect()
        reply = await third.reply()
        assert (reply.code, reply.enhanced) == (421, "4.3.2")
        assert await third.ended()
        await first.ask("QUIT")
        assert await first.ended()
        assert (await (await g.connect()).reply()).code == 220
        record = await g.record()
        assert (record.kind, record.reason) == (3, "too-many-sessions")


async def test_sessions_of_one_client(gate: MakeGate) -> None:
    policy = {
        "session__sessions_per_client": 1,
        "relay__proxy_networks": ["127.0.0.0/8"],
        "edge__wait__enabled": False,
    }
    async with gate(**policy) as g:

        async def connect(address: str) -> Any:
            client = await g.connect()
            await client.send(f"PROXY TCP4 {address} 192.0.2.1 1 25\r\n".encode())
            return client

        first = await connect("192.0.2.9")
        assert (await first.reply()).code == 220
        same = await (await connect("192.0.2.9")).reply()
        assert (same.code, same.enhanced) == (421, "4.7.0")
        assert (await (await connect("192.0.2.10")).reply()).code == 220
        await first.ask("QUIT")
        assert await first.ended()
        assert (await (await connect("192.0.2.9")).reply()).code == 220


async def test_a_refused_session_on_the_implicit_tls_port_is_closed_without_words(
    gate: MakeGate,
) -> None:
    async with gate(session__sessions=1) as g:
        await g.greeted()
        client = await g.connect(Listener.SUBMISSIONS)
        assert await client.ended()


async def test_memory_over_all_sessions(gate: MakeGate) -> None:
    async with gate(session__memory_bytes=1_048_576) as g:
        big, other = await g.greeted(), await g.greeted()
        await big.begin()
        await big.send(b"x" * (1_048_576 - QUANTUM // 2))
        async with asyncio.timeout(5):
            while g.sample("memory_reserved_bytes") < 1_048_576 - QUANTUM:
                await asyncio.sleep(0.005)
        # nobody else may begin,
        await other.ask("MAIL FROM:<anna@example.net>")
        await other.ask("RCPT TO:<bob@example.com>")
        reply = await other.ask("DATA")
        assert (reply.code, reply.enhanced) == (451, "4.3.1")
        turned_away = await (await g.connect()).reply()
        assert (turned_away.code, turned_away.enhanced) == (421, "4.3.1")
        # and the big one has no room for its rest
        await big.send(b"x" * QUANTUM + b"\r\n.\r\n")
        reply = await big.reply()
        assert (reply.code, reply.enhanced) == (451, "4.3.1")
        assert g.sample("memory_reserved_bytes") == 0
        assert (await other.deliver()).code == 250
        assert (await big.deliver()).code == 250
        assert g.sample("refusals_total", phase="data", reason="memory-full") == 2
        assert g.sample("refusals_total", phase="connect", reason="memory-full") == 1


async def test_strangers_come_later_while_there_is_too_much_to_do(gate: MakeGate) -> None:
    async with gate(session__shedding__lag_seconds=0.000001) as g:
        inside = await g.greeted()
        assert (await inside.deliver()).code == 250
        async with asyncio.timeout(10):
            while g.sample("strangers_shed_ratio") < 0.95:
                await asyncio.sleep(0.05)
        turned_away = await (await g.connect()).reply()
        assert (turned_away.code, turned_away.enhanced) == (421, "4.3.2")
        further = await inside.ask("MAIL FROM:<anna@example.net>")
        assert (further.code, further.enhanced) == (421, "4.3.2")
        assert await inside.ended()
        user = await g.submitter()  # whom the login vouches for
        assert (await user.ask("NOOP")).code == 250
        assert g.sample("strangers_shed_total") == 2
        assert g.sample("refusals_total", phase="connect", reason="overloaded") == 1
        assert g.sample("refusals_total", phase="mail", reason="overloaded") == 1


async def test_messages_of_one_session(gate: MakeGate) -> None:
    async with gate(session__messages_per_session=2) as g:
        client = await g.greeted()
        assert [(await client.deliver()).code for _ in range(2)] == [250, 250]
        reply = await client.ask("MAIL FROM:<anna@example.net>")
        assert (reply.code, reply.enhanced) == (421, "4.7.0")
        assert await client.ended()


async def test_recipients_of_one_message(gate: MakeGate) -> None:
    async with gate(session__recipients_per_message=2) as g:
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        codes = [(await client.ask(f"RCPT TO:<b{n}@example.com>")).code for n in range(4)]
        assert codes == [250, 250, 452, 452]
        await client.ask("DATA")
        await client.send(b"hello\r\n.\r\n")
        assert (await client.reply()).code == 250
        (record,) = g.records()
        assert [one.reason for one in record.refused] == ["too-many-recipients"] * 2


async def test_the_age_of_a_session(gate: MakeGate) -> None:
    async with gate(session__session_seconds=0.2) as g:
        client = await g.greeted()
        async with asyncio.timeout(5):
            while (reply := await client.ask("NOOP")).code == 250:
                await asyncio.sleep(0.02)
        assert (reply.code, reply.enhanced) == (421, "4.4.2")
        assert await client.ended()


async def test_silence(gate: MakeGate) -> None:
    async with gate(session__idle_seconds=0.1) as g:
        client = await g.greeted()
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (421, "4.4.2")
        assert await client.ended()


async def test_a_command_that_trickles_in_is_silence(gate: MakeGate) -> None:
    async with gate(session__idle_seconds=0.15) as g:
        client = await g.greeted()
        async with asyncio.timeout(5):
            while len(g.ingress.sessions):
                client.writer.write(b"N")
                await asyncio.sleep(0.02)
        assert (await client.reply()).code == 421


async def test_silence_within_data(gate: MakeGate) -> None:
    async with gate(session__idle_seconds=0.1) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"hello\r\n")
        assert (await client.reply()).code == 421
        assert await client.ended()
        record = await g.record()
        assert (record.kind, record.reason, record.action) == (2, "timeout", "defer")


async def test_data_that_comes_too_slowly(gate: MakeGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_ingress.smtp.pulse.RATE_GRACE_SECONDS", 0.1)
    async with gate(session__minimum_data_rate=10_000) as g:
        client = await g.greeted()
        await client.begin()
        async with asyncio.timeout(5):
            while len(g.ingress.sessions):
                client.writer.write(b"x")
                await asyncio.sleep(0.02)
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (421, "4.4.2")
        assert (await g.record()).reason == "too-slow"


async def test_a_client_that_does_not_read_is_not_written_to_for_ever(gate: MakeGate) -> None:
    async with gate(session__session_seconds=1, session__junk_commands=10_000) as g:
        client = await g.connect()
        client.writer.transport.pause_reading()
        async with asyncio.timeout(8):
            while len(g.ingress.sessions):
                # more and more, until nobody's buffers take it any more
                client.writer.write(b"HELP\r\n" * 5000)
                await asyncio.sleep(0.005)
        assert g.sample("sessions_total", listener="mx", ending="closed") == 1


async def test_failed_logins(gate: MakeGate) -> None:
    async with gate(
        accounts={"anna": ("secret",)},
        session__auth_failures=2,
        session__auth_failure_delay_seconds=0.05,
    ) as g:
        client = await g.submitter()
        started = asyncio.get_running_loop().time()
        reply = await client.log_in("anna", "wrong")
        assert (reply.code, reply.enhanced) == (535, "5.7.8")
        assert asyncio.get_running_loop().time() - started >= 0.05
        reply = await client.log_in("nobody", "secret")
        assert (reply.code, reply.enhanced) == (421, "4.7.0")
        assert await client.ended()
        assert (await g.record()).reason == "auth-failed"
        assert g.sample("logins_total", outcome="bad") == 2
