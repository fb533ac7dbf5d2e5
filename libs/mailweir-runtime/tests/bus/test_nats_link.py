"""What a request does while a cluster elects a leader: played by a wire that answers as told."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_runtime.bus import nats_link
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.nats_link import NO_RESPONDERS, Link, LinkOptions
from mailweir_runtime.bus.nats_wire import Incoming
from mailweir_runtime.bus.ports import BusFull, BusUnavailable

SILENCE = None


class PlayedWire:
    """Gives each of its answers once, the last one for ever; silence lasts as long as it is waited."""

    max_payload = 1000

    def __init__(self, *answers: Incoming | None) -> None:
        self.lost = asyncio.Event()
        self.asked = 0
        self._answers = list(answers)

    async def ask(self, _subject: str, _payload: bytes, _header: bytes, seconds: float) -> Incoming:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await asyncio.sleep(seconds)
            raise TimeoutError
        return answer


def answered(status: int = 0) -> Incoming:
    header = f"NATS/1.0 {status}\r\n\r\n".encode() if status else b""
    return Incoming(b"reply", b"", b"{}", header)


def link_over(wire: Any) -> Link:
    link = Link(LinkOptions("nats://127.0.0.1:1", "test"), BusMetrics(CollectorRegistry()))
    link._adopt(wire)
    return link


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_link, "RESEND_SECONDS", 0.05)
    monkeypatch.setattr(nats_link, "ELECTION_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize(
    "trouble", [SILENCE, answered(NO_RESPONDERS)], ids=["silence", "nobody there"]
)
async def test_what_may_be_sent_twice_is_until_there_is_an_answer(trouble: Incoming | None) -> None:
    wire = PlayedWire(trouble, trouble, answered())

    assert await link_over(wire).request("s", b"", seconds=5, resend=True) == answered()
    assert wire.asked == 3


async def test_what_may_not_is_sent_once() -> None:
    wire = PlayedWire(SILENCE, answered())
    with pytest.raises(BusUnavailable, match="no answer within"):
        await link_over(wire).request("s", b"", seconds=0.1)
    assert wire.asked == 1

    alone = PlayedWire(answered(NO_RESPONDERS))
    assert (await link_over(alone).request("s", b"", seconds=5)).status == NO_RESPONDERS
    assert alone.asked == 1


async def test_it_ends_when_the_time_does() -> None:
    silent = PlayedWire(SILENCE)
    with pytest.raises(BusUnavailable, match="no answer within"):
        await link_over(silent).request("s", b"", seconds=0.12, resend=True)
    assert silent.asked == 3

    nobody = PlayedWire(answered(NO_RESPONDERS))
    found = await link_over(nobody).request("s", b"", seconds=0.1, resend=True)
    assert found.status == NO_RESPONDERS
    assert nobody.asked > 3


async def test_what_the_broker_does_not_take_is_not_sent() -> None:
    wire = PlayedWire(answered())
    with pytest.raises(BusFull, match="max_payload"):
        await link_over(wire).request("s", b"x" * 1001, seconds=5, resend=True)
    assert wire.asked == 0
