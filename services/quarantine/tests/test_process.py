"""The service as a process, on a real nats-server, with SQLite and with PostgreSQL."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from mailweir.events.v1 import events_pb2
from mailweir.quarantine.v1 import quarantine_pb2 as pb, quarantine_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_policy import Policy, QuarantinePolicy
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import (
    DELIVERER,
    hold_subject,
    judged_subject,
    progress_subject,
)
from mailweir_runtime.config import ensure_first
from mailweir_runtime.rpc import RpcFailed, call, open_channel, stream
from mailweir_testkit.events import held_elsewhere, held_mail, judged, progress, ref_of
from mailweir_testkit.nats import NatsServer, connected_bus, running_server

# the test's messages are old by the wall clock
KEEP_ALL = Policy(quarantine=QuarantinePolicy(keep_days=3650, keep_records_days=3650))
pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


class Process:
    """One quarantine process, ours to kill."""

    def __init__(
        self, directory: Path, nats_url: str, database_url: str, *, connect_seconds: int = 10
    ) -> None:
        self.target = f"unix:{directory}/quarantine.sock"
        self.log = directory / "quarantine.log"
        self._environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
            "MAILWEIR_QUARANTINE_LISTEN": self.target,
            "MAILWEIR_QUARANTINE_DATABASE_URL": database_url,
            "MAILWEIR_QUARANTINE_NATS_URL": nats_url,
            "MAILWEIR_QUARANTINE_LOG_FORMAT": "json",
            "MAILWEIR_QUARANTINE_CONNECT_SECONDS": str(connect_seconds),
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mailweir_quarantine", env=self._environment, stdout=log, stderr=log
            )  # fmt: skip

    async def end(self, number: int) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    async def wait(self) -> int:
        assert self._process is not None
        return await self._process.wait()


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with running_server() as server:
        yield server


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    async with connected_bus(nats.url) as connected:
        await ensure_first(connected, KEEP_ALL, SystemClock())
        yield connected


@pytest_asyncio.fixture
async def quarantine(
    nats: NatsServer, bus: Bus, database_url: str, tmp_path: Path
) -> AsyncIterator[Process]:
    process = Process(tmp_path, nats.url, database_url)
    await process.start()
    try:
        yield process
    finally:
        await process.end(signal.SIGKILL)


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(RpcFailed):  # not up yet, or just dead
                if await check():
                    return
            await asyncio.sleep(0.02)


async def state_of(process: Process, ref: str) -> str:
    async with open_channel(process.target) as channel:
        stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)
        found = await call(stub.Get, pb.GetRequest(id=ref), timeout=5)
    return str(found.summary.state)


async def has_source(process: Process, ref: str, content: bytes) -> bool:
    async with open_channel(process.target) as channel:
        stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)
        answers = stream(stub.Source, pb.SourceRequest(id=ref), timeout=5)
        return b"".join([answer.chunk async for answer in answers]) == content


async def release(process: Process, refs: list[str]) -> list[pb.ActionResult]:
    async with open_channel(process.target) as channel:
        stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)
        answer = await call(stub.Release, pb.ReleaseRequest(ids=refs, actor="test"), timeout=10)
    return list(answer.results)


async def work_delivery(bus: Bus, delivered: list[str]) -> None:
    consumer = await bus.consumer(DELIVERER)
    while messages := await consumer.fetch(100, 0.3):
        for message in messages:
            mail = events_pb2.QueuedMail.FromString(message.payload)
            ref = mail.envelope.ref
            assert await bus.bodies.get(mail.body.key) == content_of(ref)
            delivered.append(ref)
            event = progress(ref, release=mail.release)
            await bus.publish(progress_subject("s0", ref), event.SerializeToString())
            await message.ack_sync()


def content_of(ref: str) -> bytes:
    return f"Subject: {ref}\r\n\r\nbody\r\n".encode()


async def hold(bus: Bus, number: int) -> str:
    ref = ref_of(number)
    mail, record = held_mail(ref, content_of(ref)), judged(ref, action="hold", reason="spam")
    await bus.publish(hold_subject("s0", ref), mail.SerializeToString(), msg_id=ref)
    await bus.publish(judged_subject("s0", ref), record.SerializeToString(), msg_id=f"judged-{ref}")
    return ref


async def test_a_message_from_hold_to_delivered(bus: Bus, quarantine: Process) -> None:
    ref = await hold(bus, 1)
    await until(lambda: has_source(quarantine, ref, content_of(ref)))
    assert await state_of(quarantine, ref) == "held"
    [result] = await release(quarantine, [ref])
    assert (result.done, result.state) == (True, "released")
    delivered: list[str] = []
    await work_delivery(bus, delivered)
    assert delivered == [ref]

    async def is_delivered() -> bool:
        return await state_of(quarantine, ref) == "delivered"

    await until(is_delivered)
    assert await quarantine.end(signal.SIGTERM) == 0


async def test_a_big_body_and_many_records(bus: Bus, quarantine: Process) -> None:
    big, content = ref_of(9000), os.urandom(700_000)
    stored = await bus.bodies.put(f"mail/{big}", content)
    mail = held_elsewhere(big, stored.key, content)
    await bus.publish(hold_subject("s0", big), mail.SerializeToString())
    async with asyncio.TaskGroup() as tasks:
        for n in range(600):
            payload = judged(ref_of(n)).SerializeToString()
            tasks.create_task(bus.publish(judged_subject("s0", ref_of(n)), payload))

    async def all_there() -> bool:
        async with open_channel(quarantine.target) as channel:
            stub = quarantine_pb2_grpc.QuarantineServiceStub(channel)
            stats = await call(stub.Stats, pb.StatsRequest(), timeout=5)
        return stats.by_state["queued"] == 600 and stats.by_state["held"] == 1

    await until(all_there)
    await until(lambda: has_source(quarantine, big, content))
    assert list(await bus.bodies.keys()) == [f"held/{big}"]


async def test_killed_at_any_moment_every_release_arrives_once(
    bus: Bus, quarantine: Process
) -> None:
    refs = [await hold(bus, n) for n in range(18)]

    async def all_held() -> bool:
        return all([await state_of(quarantine, ref) == "held" for ref in refs])

    async def all_here() -> bool:
        return all([await has_source(quarantine, ref, content_of(ref)) for ref in refs])

    await until(all_here)
    await until(all_held)
    delivered: list[str] = []
    for turn in range(3):
        group = refs[turn * 6 : turn * 6 + 6]
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(_ask(quarantine, group))
            await asyncio.sleep(0.006 * turn)
            await quarantine.end(signal.SIGKILL)
        await quarantine.start()
        if not asked.result():  # no answer: whoever asked asks again
            await until(lambda group=group: _ask(quarantine, group))  # type: ignore[misc]
    for _ in range(2):
        await work_delivery(bus, delivered)

    async def all_delivered() -> bool:
        await work_delivery(bus, delivered)
        return all([await state_of(quarantine, ref) == "delivered" for ref in refs])

    await until(all_delivered)
    assert sorted(delivered) == sorted(refs)


async def _ask(process: Process, refs: list[str]) -> bool:
    try:
        return all(result.done for result in await release(process, refs))
    except RpcFailed:
        return False


async def test_the_broker_may_die_under_it(nats: NatsServer, bus: Bus, quarantine: Process) -> None:
    ref = await hold(bus, 1)
    await until(lambda: has_source(quarantine, ref, content_of(ref)))
    await nats.kill()
    [result] = await release(quarantine, [ref])
    assert result.done
    await nats.start()
    delivered: list[str] = []

    async def arrived() -> bool:
        await work_delivery(bus, delivered)
        return bool(delivered)

    await until(arrived)
    await work_delivery(bus, delivered)
    assert delivered == [ref]


@pytest.mark.parametrize(
    ("database_url", "said"),
    [
        ("sqlite+aiosqlite:////no/such/directory/q.db", "cannot use the database"),
        ("postgresql+asyncpg://nobody@/none?host=/no/such/socket", "cannot use the database"),
    ],
    indirect=False,
)
async def test_a_database_that_cannot_be_used_is_one_line(
    database_url: str, said: str, tmp_path: Path
) -> None:
    process = Process(tmp_path, "nats://127.0.0.1:1", database_url, connect_seconds=2)
    await process.start()
    assert await process.wait() == 3
    lines = [line for line in process.log.read_text().splitlines() if not line.startswith("{")]
    assert len(lines) == 1
    assert said in lines[0]


async def test_a_wrong_database_url_is_a_wrong_setting(tmp_path: Path) -> None:
    process = Process(tmp_path, "nats://127.0.0.1:1", "mysql://root:secret@db/x")
    await process.start()
    assert await process.wait() == 2
    text = process.log.read_text()
    assert "MAILWEIR_QUARANTINE_DATABASE_URL" in text
    assert "secret" not in text
