"""Three processes of the service on a real nats-server: exact together, and over deaths and restarts."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailweir.events.v1 import events_pb2
from mailweir.quarantine.v1 import quarantine_pb2, quarantine_pb2_grpc
from mailweir.ratelimit.v1 import ratelimit_pb2 as pb, ratelimit_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import RatelimitPolicy
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import DELIVERER
from mailweir_runtime.config import ensure_first, propose
from mailweir_runtime.convert import session_to_proto
from mailweir_runtime.rpc import RpcFailed, call, open_channel, serve
from mailweir_testkit.events import ref_of
from mailweir_testkit.nats import NatsServer, connected_bus, running_server
from mailweir_testkit.runtime import running_runtime

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
LIMIT = 60
LOGIN = "ann@example.com"


def policy(messages: int, **more: Any) -> Policy:
    outbound = {"default_user": {"messages": messages}, **more}
    return Policy(ratelimit=RatelimitPolicy.model_validate({"outbound": outbound}))


class Quarantine(quarantine_pb2_grpc.QuarantineServiceServicer):
    """Has every message that it is asked for, and notes how often it was let out."""

    def __init__(self) -> None:
        self.released: list[str] = []

    async def Get(self, request: Any, context: object) -> quarantine_pb2.GetResponse:
        state = "released" if request.id in self.released else "held"
        summary = quarantine_pb2.MessageSummary(
            id=request.id, state=state, reason="over-outbound-limit"
        )
        return quarantine_pb2.GetResponse(summary=summary)

    async def Release(self, request: Any, context: object) -> quarantine_pb2.ReleaseResponse:
        self.released += [ref for ref in request.ids if ref not in self.released]
        results = [
            quarantine_pb2.ActionResult(id=ref, state="released", done=True) for ref in request.ids
        ]
        return quarantine_pb2.ReleaseResponse(results=results)


class Process:
    """One process of the service, ours to kill."""

    def __init__(self, directory: Path, number: int, nats_url: str, quarantine: str) -> None:
        self.target = f"unix:{directory}/ratelimit{number}.sock"
        self.log = directory / f"ratelimit{number}.log"
        self._environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
            "MAILWEIR_RATELIMIT_LISTEN": self.target,
            "MAILWEIR_RATELIMIT_NATS_URL": nats_url,
            "MAILWEIR_RATELIMIT_QUARANTINE_TARGET": quarantine,
            "MAILWEIR_RATELIMIT_WAITING_SECONDS": "0.5",
            "MAILWEIR_RATELIMIT_COUNT_SECONDS": "5",
            "MAILWEIR_RATELIMIT_LOG_FORMAT": "json",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mailweir_ratelimit", env=self._environment, stdout=log, stderr=log
            )  # fmt: skip

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()


class Fleet:
    """Three processes and whom they speak to."""

    def __init__(self, processes: Sequence[Process], bus: Bus, quarantine: Quarantine) -> None:
        self.processes, self.bus, self.quarantine = processes, bus, quarantine
        self.stubs: list[Any] = []
        self.letters: list[tuple[str, str]] = []

    async def put_in_force(self, wanted: Policy, expected: str) -> None:
        await propose(
            self.bus, wanted, author="t", reason="t", clock=SystemClock(), expected=expected
        )

    async def send(self, stub: Any, numbers: Sequence[int]) -> list[str]:
        """Ask about messages; return the advice for each."""
        items = [message(number) for number in numbers]
        response = await call(stub.Check, pb.CheckRequest(items=items), timeout=20)
        return [result.outcome.advice for result in response.results]

    async def burst(self, first: int, last: int) -> list[str]:
        """Ask about messages over all processes at once, in small batches."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.send(self.stubs[at % 3], range(at, min(at + 5, last))))
                for at in range(first, last, 5)
            ]
        return [advice for task in running for advice in task.result()]

    async def used(self) -> tuple[float, int]:
        request = pb.ListUsageRequest(subject=LOGIN)
        answer = await call(self.stubs[0].ListUsage, request, timeout=10)
        return answer.entries[0].used, answer.entries[0].held


def message(number: int) -> pb.CheckItem:
    ref = ref_of(number)
    session = Session(ref[:26], Listener.SUBMISSION, "192.0.2.1", auth_user=LOGIN)
    return pb.CheckItem(
        phase=pb.CHECK_PHASE_MESSAGE, session=session_to_proto(session), sender=LOGIN,
        recipients=["bob@example.net"], ref=ref, bytes=1000,
    )  # fmt: skip


async def until(check: Any) -> None:
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(RpcFailed):  # not up yet
                if await check():
                    return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_quarantine(directory: Path) -> AsyncIterator[tuple[str, Quarantine]]:
    servicer = Quarantine()

    def register(server: Any) -> None:
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server(servicer, server)

    async with (
        running_runtime("quarantine") as rt,
        serve(rt, f"unix:{directory}/quarantine.sock", register) as target,
    ):
        rt.ready()
        yield target, servicer


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with running_server() as server:
        yield server


@pytest.fixture
async def fleet(nats: NatsServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connected_bus(nats.url))
        await ensure_first(bus, policy(LIMIT), SystemClock())
        target, quarantine = await stack.enter_async_context(a_quarantine(tmp_path))
        processes = [Process(tmp_path, number, nats.url, target) for number in range(3)]
        made = Fleet(processes, bus, quarantine)
        for process in processes:
            await process.start()
            stack.push_async_callback(process.end, signal.SIGKILL)
        for process in processes:
            channel = await stack.enter_async_context(open_channel(process.target))
            stub = ratelimit_pb2_grpc.RatelimitServiceStub(channel)
            made.stubs.append(stub)
            await until(lambda one=stub: answers(one))
        yield made


async def answers(stub: Any) -> bool:
    await call(stub.ListBuckets, pb.ListBucketsRequest(subject="192.0.2.1"), timeout=2)
    return True


async def test_exact_over_three_processes_deaths_and_restarts(
    fleet: Fleet, nats: NatsServer
) -> None:
    first = await fleet.burst(0, 40)
    assert first == ["none"] * 40
    await fleet.processes[1].end(signal.SIGKILL)
    await nats.restart()
    await fleet.processes[1].start()
    for stub in fleet.stubs:
        await until(lambda one=stub: answers(one))
    rest = await fleet.burst(40, 140)
    assert rest.count("none") == LIMIT - 40
    assert rest.count("hold") == 80
    assert await fleet.used() == (LIMIT, 80)


async def test_a_raised_limit_lets_held_mail_out_once(fleet: Fleet) -> None:
    held = (await fleet.burst(0, LIMIT + 15)).count("hold")
    assert held == 15
    raised = {"login": LOGIN, "limit": {"messages": LIMIT + 10}}
    await fleet.put_in_force(policy(LIMIT, users=[raised]), "v.1")
    await until(lambda: released(fleet, 10))
    await asyncio.sleep(1.5)  # three more looks
    assert len(fleet.quarantine.released) == 10
    assert await fleet.used() == (LIMIT + 10, 5)


async def released(fleet: Fleet, number: int) -> bool:
    return len(fleet.quarantine.released) >= number


async def test_user_and_postmaster_are_told_once(fleet: Fleet) -> None:
    await fleet.burst(0, LIMIT + 15)
    await until(lambda: told(fleet, 4))
    await fleet.burst(LIMIT + 15, LIMIT + 30)
    await asyncio.sleep(0.5)
    await told(fleet, 5)
    near, full = f"Outbound limit nearly reached: {LOGIN}", f"Outbound limit reached: {LOGIN}"
    postmaster = "postmaster@example.com"
    assert sorted(fleet.letters) == sorted(
        [(LOGIN, near), (LOGIN, full), (postmaster, near), (postmaster, full)]
    )


async def told(fleet: Fleet, number: int) -> bool:
    """Take in what waits for delivery; say whether so many mails have come."""
    consumer = await fleet.bus.consumer(DELIVERER)
    for mail in await consumer.fetch(100, 0.2):
        queued = events_pb2.QueuedMail.FromString(mail.payload)
        (subject,) = re.findall(rb"(?m)^Subject: (.*?)\r$", queued.content)
        fleet.letters.append((queued.envelope.recipients[0], subject.decode()))
        await mail.ack_sync()
    return len(fleet.letters) >= number


async def test_it_ends_cleanly(fleet: Fleet) -> None:
    await fleet.burst(0, 20)
    for process in fleet.processes:
        assert await process.end() == 0
