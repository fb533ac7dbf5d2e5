"""Delivery as a process on a real nats-server: mail through real next hops, and what survives what."""

import asyncio
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import pytest_asyncio

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir_core.clock import SystemClock
from mailweir_delivery.adapters.queued import read_progress
from mailweir_delivery.policy.progress import Progress, State
from mailweir_policy import Policy
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import DELIVERY, deliver_subject, progress_subject
from mailweir_runtime.config import current, ensure_first, propose
from mailweir_testkit.dns import dns_server
from mailweir_testkit.events import envelope, ref_of
from mailweir_testkit.nats import NatsServer, connected_bus, running_server
from mailweir_testkit.nexthop import NextHop, Rule, next_hop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

A, B = "a@example.com", "b@example.com"


class Process:
    """One delivery process, ours to kill."""

    def __init__(self, directory: Path, nats_url: str, **environment: str) -> None:
        self.log = directory / "delivery.log"
        self._environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
            "MAILWEIR_DELIVERY_NATS_URL": nats_url,
            "MAILWEIR_DELIVERY_LOG_FORMAT": "json",
            "MAILWEIR_DELIVERY_CONNECT_SECONDS": "10",
        } | {f"MAILWEIR_DELIVERY_{name}": value for name, value in environment.items()}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mailweir_delivery", env=self._environment, stdout=log, stderr=log
            )  # fmt: skip

    async def end(self, number: int) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    def metric(self, name: str) -> float:
        """Return a counter of the process, summed over its labels."""
        found = re.findall(r'"url": ?"(http://[^"]+/metrics)"', self.log.read_text())
        with urlopen(found[-1]) as answer:
            text = answer.read().decode()
        lines = re.findall(rf"^mailweir_delivery_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, lines))


@pytest_asyncio.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with running_server() as server:
        yield server


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    async with connected_bus(nats.url) as connected:
        yield connected


@pytest_asyncio.fixture
async def hop() -> AsyncIterator[NextHop]:
    async with next_hop() as server:
        yield server


def policy(*routes: str | dict[str, Any], **delivery: Any) -> Policy:
    listed = [r if isinstance(r, dict) else {"domain": "*", "next_hops": [r]} for r in routes]
    local = [{"name": "example.com"}, {"name": "slow.example"}]
    retry = {"schedule_seconds": [1.0, 2.0]}
    return Policy.model_validate(
        {"relay": {"domains": local}, "delivery": {"routes": listed, "retry": retry} | delivery}
    )


async def put_policy(bus: Bus, wanted: Policy) -> None:
    version = await current(bus)
    if version is None:
        await ensure_first(bus, wanted, SystemClock())
        return
    await propose(
        bus, wanted, author="test", reason="test", clock=SystemClock(), expected=version.version
    )


Start = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def start(nats: NatsServer, bus: Bus, tmp_path: Path) -> AsyncIterator[Start]:
    """Start a process by a policy."""
    begun: list[Process] = []

    async def begin(wanted: Policy, **environment: str) -> Process:
        await put_policy(bus, wanted)
        directory = tmp_path / f"process-{len(begun)}"
        directory.mkdir()
        begun.append(Process(directory, nats.url, **environment))
        await begun[-1].start()
        return begun[-1]

    yield begin
    for process in begun:
        await process.end(signal.SIGKILL)


async def queue(bus: Bus, number: int, *recipients: str, **fields: Any) -> str:
    """Put a message into the stream, told apart by its subject; returns its reference."""
    now = SystemClock().now()
    ref = ref_of(number, now)
    sender = fields.pop("sender", "anna@example.net")
    of = envelope(ref, recipients=recipients or (A,), sender=sender, received_at=now)
    content = f"Subject: {ref}\r\nX-Mailweir-Id: {ref}\r\n\r\nbody\r\n".encode()
    mail = events_pb2.QueuedMail(envelope=of, **({"content": content} | fields))
    await bus.publish(
        deliver_subject("s0", ref), mail.SerializeToString(), msg_id=f"{ref}.{mail.release}"
    )
    return ref


async def progress(bus: Bus, ref: str) -> Progress | None:
    payload = await bus.last(DELIVERY, progress_subject("s0", ref))
    return None if payload is None else read_progress(payload)


async def finished(bus: Bus, ref: str, seconds: float = 15.0) -> Progress:
    """Wait until nothing is left to do for a message."""
    async with asyncio.timeout(seconds):
        while True:
            found = await progress(bus, ref)
            if found is not None and found.finished:
                return found
            await asyncio.sleep(0.05)


async def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


def refs(hop: NextHop) -> Counter[str]:
    return Counter(mail.content.split(b"\r\n")[0][9:].decode() for mail in hop.mails)


async def test_mail_goes_its_ways(bus: Bus, start: Start, hop: NextHop, tmp_path: Path) -> None:
    """SMTP, LMTP, Maildir and MX beside each other, a refused recipient, a notification by MX."""
    zone = "@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1"
    async with next_hop(lmtp=True) as box, dns_server({"far.example": zone}) as dns:
        routes = (
            {"domain": "example.com", "next_hops": [hop.url]},
            {"domain": "box.example", "next_hops": [box.url]},
            {"domain": "files.example", "next_hops": [f"maildir://{tmp_path}/in"]},
        )
        hop.on(Rule("RCPT", "550 5.1.1 unknown", match="nobody@"))
        await start(policy(*routes, outbound_port=hop.port), DNS=dns.address)
        people = ("a@example.com", "b@box.example", "c@files.example", "d@far.example")
        ref = await queue(bus, 1, *people, "nobody@example.com", sender="anna@far.example")
        done = await finished(bus, ref)
        assert [r.state for r in done.recipients] == [State.DELIVERED] * 4 + [State.FAILED]
        await hop.wait_for(3, seconds=10)
    notice = next(mail for mail in hop.mails if not mail.sender)
    assert notice.recipients == ("anna@far.example",)
    assert b"Status: 5.1.1" in notice.content
    assert len(list((tmp_path / "in" / "new").iterdir())) == 1
    assert box.mails[0].recipients == ("b@box.example",)


async def test_a_deferred_message_survives_a_killed_process_and_comes_on_time(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    hop.on(Rule("MAIL", "451 4.3.0 later", times=1))
    process = await start(policy(hop.url, retry={"schedule_seconds": [3.0]}))
    ref = await queue(bus, 1)
    await until(lambda: hop.counted("MAIL") == 1)
    while (noted := await progress(bus, ref)) is None:
        await asyncio.sleep(0.02)
    due = noted.next_attempt_at
    await process.end(signal.SIGKILL)
    await start(policy(hop.url))
    # killed before it gave the message back: the broker waits for the ack first
    done = await finished(bus, ref, seconds=45)
    assert done.attempts == 2
    assert done.at >= due - 0.6
    assert refs(hop) == {ref: 1}


async def test_a_killed_broker_hands_nothing_out_twice_in_effect(
    nats: NatsServer, bus: Bus, start: Start, hop: NextHop
) -> None:
    process = await start(policy(hop.url))
    wanted = [await queue(bus, number) for number in range(1, 41)]
    await until(lambda: len(hop.mails) >= 20)
    await nats.restart()
    wanted += [await queue(bus, number) for number in range(41, 61)]
    for ref in wanted:
        await finished(bus, ref, seconds=40)
    assert refs(hop) == dict.fromkeys(wanted, 1)
    assert await process.end(signal.SIGTERM) == 0


async def test_a_killed_process_delivers_again_only_what_it_could_not_note(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    process = await start(policy(hop.url))
    wanted = [await queue(bus, number) for number in range(1, 61)]
    await until(lambda: len(hop.mails) >= 25)
    await process.end(signal.SIGKILL)
    unnoted = [ref for ref in refs(hop) if await progress(bus, ref) is None]
    await start(policy(hop.url))
    for ref in wanted:
        await finished(bus, ref, seconds=60)
    twice = {ref for ref, count in refs(hop).items() if count > 1}
    assert set(refs(hop)) == set(wanted)
    assert twice <= set(unnoted)


async def test_a_dead_destination_takes_nothing_from_the_others(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    """It takes connections and says nothing, for minutes."""
    async with next_hop() as dead:
        dead.on(Rule("CONNECT", delay=600))
        routes = (
            {"domain": "slow.example", "next_hops": [dead.url]},
            {"domain": "*", "next_hops": [hop.url]},
        )
        process = await start(policy(*routes), WORKERS="16")
        for number in range(1, 101):
            await queue(bus, number, "x@slow.example")
        await until(lambda: dead.open > 0)
        await asyncio.sleep(1.5)  # the workers have learnt that it is slow
        wanted, begun = [], time.monotonic()
        for number in range(101, 301):
            wanted.append(await queue(bus, number))
        await until(lambda: len(hop.mails) == 200, seconds=30)
        seconds = time.monotonic() - begun
        assert dead.open <= 5
        assert refs(hop) == dict.fromkeys(wanted, 1)
        assert seconds < 15
        assert process.metric("put_back_total") > 0
        # it ends with what it has in hand, at once
        dead.hang_up()
        assert await process.end(signal.SIGTERM) == 0


async def test_drain_ends_what_is_in_flight_and_gives_the_rest_back(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    hop.on(Rule("DOT", delay=1.0))
    process = await start(policy(hop.url))
    wanted = [await queue(bus, number) for number in range(1, 31)]
    await until(lambda: hop.counted("DATA") > 0)
    assert await process.end(signal.SIGTERM) == 0
    sent = refs(hop)
    assert 0 < len(sent) < 30
    for ref in sent:
        noted = await progress(bus, ref)
        assert noted is not None
        assert noted.finished
    hop.on(Rule("DOT"))
    await start(policy(hop.url))
    for ref in wanted:
        await finished(bus, ref)
    assert refs(hop) == dict.fromkeys(wanted, 1)


@pytest.mark.long
async def test_a_slow_answer_beyond_the_ack_wait_is_delivered_once(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    """The broker would hand the message out again after 30 s; the heartbeat keeps it."""
    hop.on(Rule("DOT", delay=35.0, times=1))
    await start(policy(hop.url))
    ref = await queue(bus, 1)
    assert (await finished(bus, ref, seconds=60)).attempts == 1
    await asyncio.sleep(1)
    assert refs(hop) == {ref: 1}


async def test_a_250_after_our_patience_ended_is_delivered_once(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    hop.on(Rule("DOT", delay=2.5, times=1))
    process = await start(policy(hop.url, data_end_seconds=0.5))
    ref = await queue(bus, 1)
    done = await finished(bus, ref)
    assert done.recipients[0].state is State.DELIVERED
    assert done.attempts > 1
    assert refs(hop) == {ref: 1}
    assert process.metric("unknown_outcomes_total") == 1
    assert process.metric("late_replies_total") == 1


async def test_a_big_message_comes_from_the_body_store(
    bus: Bus, start: Start, hop: NextHop
) -> None:
    await start(policy(hop.url))
    content = b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 3_000_000
    stored = await bus.bodies.put("mail/big", content)
    body = common_pb2.BodyRef(key="mail/big", bytes=stored.bytes, sha256=stored.sha256)
    ref = await queue(bus, 1, content=b"", body=body)
    await finished(bus, ref)
    assert hop.mails[0].content == content
    await asyncio.sleep(0.3)
    assert await bus.bodies.keys() == []


async def test_a_new_policy_is_used_without_a_restart(bus: Bus, start: Start, hop: NextHop) -> None:
    await start(policy())
    ref = await queue(bus, 1)
    async with asyncio.timeout(15):
        while (noted := await progress(bus, ref)) is None:
            await asyncio.sleep(0.05)
    assert noted.recipients[0].reply == "no route for the local domain example.com"
    await put_policy(bus, policy(hop.url))
    assert (await finished(bus, ref)).delivered == 1


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"DNS": "nonsense"}, 2, "DNS"),
        ({"TLS_CA_FILE": "/does/not/exist"}, 3, "tls_ca_file /does/not/exist"),
        ({"WORKERS": "0"}, 2, "WORKERS"),
        ({"NO_SUCH_THING": "1"}, 2, "NO_SUCH_THING"),
    ],
)
async def test_wrong_settings_are_told_in_a_line(
    start: Start, environment: dict[str, str], code: int, words: str
) -> None:
    process = await start(policy(), **environment)
    assert await process.wait() == code
    assert words in process.log.read_text()
