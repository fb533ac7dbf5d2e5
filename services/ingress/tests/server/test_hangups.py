"""Clients that vanish, at every point."""

import asyncio
from typing import Any

import pytest

from mailweir_ingress.adapters.scoring import MemoryScorer
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_runtime.bus.memory import MemoryBus

MakeGate = Any  # see conftest.py

STEPS = (
    b"EHLO client.example.net\r\n",
    b"MAIL FROM:<anna@example.net>\r\n",
    b"RCPT TO:<bob@example.com>\r\n",
    b"DATA\r\n",
    b"Subject: x\r\n\r\nhello\r\n",
    b".",
    b"\r\n",
)


class SlowScorer(MemoryScorer):
    """Waits until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def score(self, *arguments: Any) -> ContentVerdict:
        self.begun.set()
        await self.go_on.wait()
        return await super().score(*arguments)


class SlowBus(MemoryBus):
    """Keeps publishes waiting until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> Any:
        self.begun.set()
        await self.go_on.wait()
        return await super().publish(subject, payload, msg_id=msg_id)


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("steps", range(len(STEPS)))
async def test_a_client_that_goes_before_its_message_is_whole_leaves_none(
    gate: MakeGate, steps: int, how: str
) -> None:
    async with gate() as g:
        client = await g.connect()
        await client.reply()
        for step in STEPS[:steps]:
            await client.send(step)
            await asyncio.sleep(0.005)
        if how == "abort":
            client.writer.transport.abort()
        else:
            client.writer.close()
        async with asyncio.timeout(5):
            while len(g.ingress.sessions):
                await asyncio.sleep(0.005)
        assert g.mails() == []
        assert g.sample("memory_reserved_bytes") == 0
        assert g.sample("sessions_total", listener="mx", ending="hangup") == 1
        if steps >= 4:  # within the data
            record = await g.record()
            assert (record.kind, record.reason) == (2, "disconnected")
        else:
            assert g.records() == []


async def test_a_client_that_goes_while_its_message_is_judged_has_sent_it(gate: MakeGate) -> None:
    scorer = SlowScorer()
    async with gate(scorer=scorer) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"hello\r\n.\r\n")
        await scorer.begun.wait()
        client.writer.transport.abort()
        await asyncio.sleep(0.02)
        scorer.go_on.set()
        async with asyncio.timeout(5):
            while not g.mails():
                await asyncio.sleep(0.005)
        record = await g.record()
        assert record.action == "accept"
        assert record.reply.startswith("250 ")


async def test_a_client_that_goes_while_its_message_is_stored_has_sent_it_once(
    gate: MakeGate,
) -> None:
    bus = SlowBus()
    async with gate(bus=bus) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"hello\r\n.\r\n")
        await bus.begun.wait()
        client.writer.transport.abort()
        await asyncio.sleep(0.02)
        bus.go_on.set()
        async with asyncio.timeout(5):
            while len(g.ingress.sessions):
                await asyncio.sleep(0.005)
        assert len(g.mails()) == len(g.records()) == 1


async def test_an_impatient_client_that_half_closes_is_still_told(gate: MakeGate) -> None:
    scorer = SlowScorer()
    async with gate(scorer=scorer) as g:
        client = await g.greeted()
        await client.begin()
        await client.send(b"hello\r\n.\r\n")
        client.writer.write_eof()
        await scorer.begun.wait()
        scorer.go_on.set()
        assert (await client.reply()).code == 250
        assert await client.ended()
