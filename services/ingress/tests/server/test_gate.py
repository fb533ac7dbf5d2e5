"""The gate on the wire: bans, waiting, early talkers, on one process and on two."""

import asyncio
from typing import Any

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key, dump_ban
from mailweir_core.record import Listener
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import BANS

MakeGate = Any  # see conftest.py

PROXIED = {"relay__proxy_networks": ["127.0.0.0/8"]}
WAIT = {**PROXIED, "edge__wait__seconds": 0.1}
LONG = {**PROXIED, "edge__wait__seconds": 20}


async def come(g: Any, address: str = "198.51.100.7", listener: Listener = Listener.MX) -> Any:
    """Connect for a client."""
    client = await g.connect(listener)
    await client.send(f"PROXY TCP4 {address} 192.0.2.1 1 25\r\n".encode())
    return client


async def ban(bus: MemoryBus, subject: str, *, close_all: bool = False) -> None:
    """Write a ban as the service does."""
    made = Ban(subject, OffenceKind.UNKNOWN_USER, "x@example.com", 0, 4e9, close_all=close_all)
    await (await bus.bucket(BANS)).put(ban_key(subject), dump_ban(made))


async def unban(bus: MemoryBus, subject: str) -> None:
    """Lift a ban as the service does."""
    await (await bus.bucket(BANS)).delete(ban_key(subject))


async def becomes(g: Any, code: int) -> None:
    """Come again and again until the banner has a code; within a second."""
    async with asyncio.timeout(1):
        while True:
            client = await come(g)
            reply = await client.reply()
            if reply.code == code:
                return
            await client.close()


async def test_a_ban_holds_on_every_process_at_once_and_so_does_lifting_it(gate: MakeGate) -> None:
    bus = MemoryBus()
    policy = {**PROXIED, "edge__wait__enabled": False, "session__sessions_per_client": 1000}
    async with gate(bus=bus, **policy) as one, gate(bus=bus, **policy) as two:
        await becomes(one, 220)
        await ban(bus, "198.51.100.0/24")
        await becomes(one, 421)
        await becomes(two, 421)
        # nobody else, and least of all the proxy
        assert (await (await come(one, "203.0.113.7")).reply()).code == 220
        probe = await one.connect()
        await probe.send(b"PROXY UNKNOWN\r\n")
        assert (await probe.reply()).code == 220
        await unban(bus, "198.51.100.0/24")
        await becomes(one, 220)
        await becomes(two, 220)


async def test_the_banned_can_read_why_whatever_they_say(gate: MakeGate) -> None:
    async with gate(**PROXIED) as g:
        await ban(g.bus, "198.51.100.0/24")
        await asyncio.sleep(0.05)
        client = await g.connect()
        rude = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n" * 1000
        await client.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 1 25\r\n" + rude)
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (421, "4.7.0")
        assert await client.ended()
        record = await g.record()
        assert (record.kind, record.reason, record.action) == (3, "banned", "defer")
        assert f"[{record.ref}]" in str(reply)
        assert record.envelope.session.client_ip == "198.51.100.7"
        assert record.detail == "x@example.com"


async def test_a_ban_that_closes_ends_every_session_of_its_network(gate: MakeGate) -> None:
    async with gate(**PROXIED, edge__wait__enabled=False) as g:
        its = [await come(g, f"198.51.100.{n}") for n in range(3)]
        other = await come(g, "203.0.113.7")
        for client in (*its, other):
            await client.greet()
        await its[0].begin()
        await ban(g.bus, "198.51.100.0/24", close_all=True)
        for client in its:
            reply = await client.reply()
            assert (reply.code, reply.enhanced) == (421, "4.7.0")
            assert await client.ended()
        assert (await other.deliver()).code == 250


async def test_who_waits_is_turned_away_by_a_ban_that_closes(gate: MakeGate) -> None:
    async with gate(**LONG) as g:
        client = await come(g)
        assert (await client.reader.readline()).startswith(b"220-")
        await ban(g.bus, "198.51.100.7", close_all=True)
        assert (await client.reply()).code == 421
        assert await client.ended()


async def test_an_unknown_client_waits_once(gate: MakeGate) -> None:
    async with gate(**WAIT, identity__hostname="mx.example.com") as g:
        loop = asyncio.get_running_loop()
        started = loop.time()
        client = await come(g)
        reply = await client.reply()
        assert loop.time() - started >= 0.1
        assert reply.code == 220
        assert reply.lines[0] == "mx.example.com is getting ready"
        assert reply.lines[1].startswith("mx.example.com ESMTP Mailweir [")
        assert (await client.ask("EHLO client.example.net")).code == 250
        assert (await client.deliver()).code == 250
        mail = g.mails()[0].envelope
        assert mail.session.id in reply.lines[1]
        assert mail.session.client_ip == "198.51.100.7"
        g.swap(**LONG)
        again = await (await come(g)).reply()
        assert (again.code, len(again.lines)) == (220, 1)
        assert g.sample("waits_total", outcome="passed") == 1


async def test_a_pass_is_good_on_every_process(gate: MakeGate) -> None:
    bus = MemoryBus()
    async with gate(bus=bus, **WAIT) as one, gate(bus=bus, **LONG) as two:
        assert (await (await come(one)).reply()).code == 220
        await asyncio.sleep(0.05)
        reply = await (await come(two)).reply()
        assert (reply.code, len(reply.lines)) == (220, 1)
        assert two.sample("pass_lookups_total", outcome="there") == 1


async def test_without_the_bucket_clients_wait_and_come_in(gate: MakeGate) -> None:
    async with gate(**WAIT) as g:
        g.bus.outage = BusUnavailable("as the test wants")
        assert (await (await come(g)).reply()).code == 220
        assert g.sample("pass_lookups_total", outcome="failed") == 1
        # and those that have waited here need not wait again
        assert len((await (await come(g)).reply()).lines) == 1
        g.bus.outage = None


@pytest.mark.parametrize(
    ("words", "reason"), [(b"EHLO x\r\n", "early-talker"), (b"GET / HTTP/1.1\r\n", "http-verb")]
)
async def test_who_talks_while_it_waits_is_sent_away(
    gate: MakeGate, words: bytes, reason: str
) -> None:
    async with gate(**LONG) as g:
        client = await come(g)
        assert (await client.reader.readline()).startswith(b"220-")
        await client.send(words)
        reply = await client.reply()
        assert (reply.code, reply.enhanced) == (554, "5.5.1")
        assert await client.ended()
        assert (await g.record()).reason == reason
        assert len(g.ingress.sessions) == 0


async def test_who_leaves_while_it_waits_leaves_nothing(gate: MakeGate) -> None:
    async with gate(**LONG) as g:
        client = await come(g)
        await client.reader.readline()
        assert g.sample("waiting_clients") == 1
        await client.close()
        async with asyncio.timeout(5):
            while g.sample("waiting_clients"):
                await asyncio.sleep(0.005)
        assert g.sample("waits_total", outcome="left") == 1
        assert g.records() == []


async def test_our_users_do_not_wait_but_can_be_banned(gate: MakeGate) -> None:
    async with gate(**LONG) as g:
        user = await come(g, listener=Listener.SUBMISSION)
        assert (await user.reply()).code == 220
        await ban(g.bus, "198.51.100.7")
        await asyncio.sleep(0.05)
        banned = await come(g, listener=Listener.SUBMISSION)
        assert (await banned.reply()).code == 421
        silent = await come(g, listener=Listener.SUBMISSIONS)
        assert await silent.ended()


async def test_a_thousand_of_the_banned_leave_no_trace_but_their_count(gate: MakeGate) -> None:
    async with gate(**PROXIED) as g:
        await ban(g.bus, "198.51.100.0/24")
        await asyncio.sleep(0.05)
        for _ in range(20):
            visits = [await come(g) for _ in range(50)]
            for visit in visits:
                assert (await visit.reply()).code == 421
                assert await visit.ended()
                await visit.close()
        assert g.sample("refusals_total", phase="connect", reason="banned") == 1000
        assert len(g.ingress.sessions) == 0
        assert len(g.records()) == 1
    assert sorted(record.count for record in g.records()) == [0, 999]
