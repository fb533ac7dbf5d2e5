"""The bus fails: nothing is told 250 that is not stored."""

from typing import Any

import pytest

from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusError, BusFull, BusUnavailable, PubAck
from mailweir_runtime.bus.topology import INLINE_BODY_BYTES

MakeGate = Any  # see conftest.py

BIG = b"Subject: big\r\n\r\n" + b"x" * INLINE_BODY_BYTES + b"\r\n"


class PickyBus(MemoryBus):
    """Fails for some subjects only."""

    def __init__(self, part: str, error: BusError) -> None:
        super().__init__()
        self.part = part
        self.error = error

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
        if self.part in subject and not msg_id.startswith("judged-deferred-"):
            raise self.error
        return await super().publish(subject, payload, msg_id=msg_id)


@pytest.mark.parametrize(
    ("error", "code", "enhanced"),
    [(BusUnavailable("away"), 451, "4.3.0"), (BusFull("disk full"), 451, "4.3.1")],
)
@pytest.mark.parametrize("content", [b"hello\r\n", BIG])
async def test_what_cannot_be_stored_is_not_taken(
    gate: MakeGate, error: BusError, code: int, enhanced: str, content: bytes
) -> None:
    async with gate() as g:
        client = await g.greeted()
        g.bus.outage = error
        reply = await client.deliver(content)
        assert (reply.code, reply.enhanced) == (code, enhanced)
        assert "away" not in str(reply)
        g.bus.outage = None
        assert g.mails() == []
        assert (await client.deliver(content)).code == 250
        assert len(g.mails()) == 1
        assert g.sample("messages_total", action="defer", reason="store-unavailable") == 1
        assert g.sample("memory_reserved_bytes") == 0


@pytest.mark.parametrize("part", [".mail.deliver.", ".judged."])
async def test_both_the_mail_and_its_record_must_be_stored(gate: MakeGate, part: str) -> None:
    async with gate(bus=PickyBus(part, BusUnavailable("away"))) as g:
        client = await g.greeted()
        reply = await client.deliver()
        assert (reply.code, reply.enhanced) == (451, "4.3.0")


async def test_the_record_of_a_message_that_was_not_stored_says_so(gate: MakeGate) -> None:
    async with gate(bus=PickyBus(".mail.deliver.", BusUnavailable("away"))) as g:
        client = await g.greeted()
        await client.deliver()
        await client.ask("QUIT")
        assert await client.ended()
        last = g.records()[-1]
        assert (last.action, last.reason, last.detail) == ("defer", "store-unavailable", "away")


async def test_refusals_are_told_whatever_the_bus_does(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        g.bus.outage = BusUnavailable("away")
        await client.ask("MAIL FROM:<anna@example.net>")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).code == 550
        assert (await client.ask("RSET")).code == 250
        await client.ask("NOOP")
        await client.ask("NOOP")
        assert g.sample("events_dropped_total") == 1
