"""Callouts: one contract for the probe over SMTP and the one in memory, and what only SMTP can do wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.address import EnvelopeAddress
from mailweir_core.clock import ManualClock
from mailweir_ingress.adapters.probe import MemoryProbe, SmtpProbe
from mailweir_ingress.metrics import declare
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.ports import Existence, RecipientProbe
from mailweir_policy import policy_from

BOB, EVE, MAYBE = (EnvelopeAddress(name, "example.com") for name in ("bob", "eve", "maybe"))
REPLIES = {"bob": b"250 ok", "eve": b"550 5.1.1 no", "maybe": b"450 4.2.0 later"}


@dataclass
class Hop:
    """A next hop."""

    port: int = 0
    heard: list[str] = field(default_factory=list)
    sender_reply: bytes = b"250 ok"
    delay: float = 0.0
    open: int = 0


@asynccontextmanager
async def running(hop: Hop) -> AsyncIterator[Hop]:
    """Run a next hop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hop.open += 1
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass  # the probe's time was over
        finally:
            writer.close()
            hop.open -= 1

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        while line := (await reader.readline()).decode().strip():
            hop.heard.append(line)
            await asyncio.sleep(hop.delay)
            if line.startswith("RCPT"):
                local = line[line.index("<") + 1 :].partition("@")[0]
                writer.write(REPLIES.get(local, b"250 ok") + b"\r\n")
            else:
                mail = line.startswith("MAIL")
                writer.write((hop.sender_reply if mail else b"250 ok") + b"\r\n")
            if line == "QUIT":
                break

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        hop.port = server.sockets[0].getsockname()[1]
        yield hop
        async with asyncio.timeout(5):
            while hop.open:
                await asyncio.sleep(0.005)


def rules_for(*hops: str, **callout: Any) -> Rules:
    """Return rules with these next hops."""
    return compile_rules(
        policy_from(
            {
                "relay": {
                    "domains": [{"name": "example.com", "recipients": "callout"}],
                    "callout": callout,
                },
                "delivery": {
                    "routes": [{"domain": "*", "next_hops": list(hops), "tls": "none"}]
                    if hops
                    else []
                },
            }
        ),
        "v.1",
    )


def a_probe() -> tuple[SmtpProbe, ManualClock]:
    """Return a probe and its clock."""
    clock = ManualClock()
    return SmtpProbe(clock, declare(CollectorRegistry())), clock


async def ask(probe: RecipientProbe, rules: Rules, *who: EnvelopeAddress) -> Sequence[Existence]:
    """Return the answers."""
    return [await probe.exists(one, rules) for one in who]


@pytest.mark.parametrize("memory", [True, False])
async def test_the_contract(memory: bool) -> None:
    async with running(Hop()) as hop:
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}")
        known = {"bob@example.com": Existence.YES, "eve@example.com": Existence.NO}
        probe: RecipientProbe = MemoryProbe(known) if memory else a_probe()[0]
        assert await ask(probe, rules, BOB, EVE, MAYBE) == [
            Existence.YES,
            Existence.NO,
            Existence.UNKNOWN,
        ]
        assert await ask(probe, rules, EnvelopeAddress("BOB", "example.com")) == [Existence.YES]


async def test_the_next_hop_hears_no_more_than_it_must() -> None:
    async with running(Hop()) as hop:
        probe, _ = a_probe()
        await ask(probe, rules_for(f"smtp://127.0.0.1:{hop.port}"), BOB)
        assert hop.heard == [
            "EHLO mailweir.example.com",
            "MAIL FROM:<>",
            "RCPT TO:<bob@example.com>",
            "QUIT",
        ]


async def test_lmtp_is_greeted_in_its_own_way() -> None:
    async with running(Hop()) as hop:
        probe, _ = a_probe()
        assert await ask(probe, rules_for(f"lmtp://127.0.0.1:{hop.port}"), BOB, EVE) == [
            Existence.YES,
            Existence.NO,
        ]
        assert hop.heard[0] == "LHLO mailweir.example.com"


async def test_answers_are_remembered_for_their_time() -> None:
    async with running(Hop()) as hop:
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}", good_seconds=100, bad_seconds=10)
        probe, clock = a_probe()

        async def questions() -> int:
            hop.heard.clear()
            await ask(probe, rules, BOB, EVE, MAYBE)
            return sum(line.startswith("RCPT") for line in hop.heard)

        assert await questions() == 3
        assert await questions() == 1  # no answer is not remembered
        clock.advance(11)
        assert await questions() == 2
        clock.advance(100)
        assert await questions() == 3


async def test_the_memory_is_bounded() -> None:
    async with running(Hop()) as hop:
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}", cache_entries=100)
        probe, _ = a_probe()
        everybody = [EnvelopeAddress(f"user{n}", "example.com") for n in range(101)]
        await ask(probe, rules, *everybody)
        hop.heard.clear()
        await ask(probe, rules, everybody[100], everybody[1])
        assert hop.heard == []
        await ask(probe, rules, everybody[0])  # the one that was longest ago
        assert hop.heard


async def test_one_question_about_one_recipient_at_a_time() -> None:
    async with running(Hop(delay=0.02)) as hop:
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}")
        probe, _ = a_probe()
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(probe.exists(BOB, rules)) for _ in range(5)]
        assert [task.result() for task in asking] == [Existence.YES] * 5
        assert sum(line.startswith("RCPT") for line in hop.heard) == 1


async def test_a_hop_that_is_down_has_its_second_asked() -> None:
    async with running(Hop()) as hop:
        probe, _ = a_probe()
        rules = rules_for("smtp://127.0.0.1:1", f"smtp://127.0.0.1:{hop.port}")
        assert await ask(probe, rules, BOB) == [Existence.YES]


async def test_a_maildir_takes_everybody() -> None:
    probe, _ = a_probe()
    assert await ask(probe, rules_for("maildir:///var/mail/in"), EVE) == [Existence.YES]


@pytest.mark.parametrize("hops", [(), ("smtp://127.0.0.1:1",)])
async def test_without_anybody_to_ask_nothing_is_known(hops: tuple[str, ...]) -> None:
    probe, _ = a_probe()
    assert await ask(probe, rules_for(*hops), BOB) == [Existence.UNKNOWN]
    elsewhere = EnvelopeAddress("bob", "elsewhere.example")
    assert await ask(probe, rules_for(*hops), elsewhere) == [Existence.UNKNOWN]


async def test_a_refused_sender_says_nothing_of_the_recipient() -> None:
    async with running(Hop(sender_reply=b"530 5.7.0 TLS first")) as hop:
        probe, _ = a_probe()
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}")
        assert await ask(probe, rules, BOB, EVE) == [Existence.UNKNOWN] * 2


async def test_a_slow_hop_is_not_waited_for() -> None:
    async with running(Hop(delay=0.3)) as hop:
        probe, _ = a_probe()
        rules = rules_for(f"smtp://127.0.0.1:{hop.port}", timeout_seconds=0.1)
        async with asyncio.timeout(5):
            assert await ask(probe, rules, BOB) == [Existence.UNKNOWN]
