"""What a connection costs the ratelimit service: one process, a real broker, questions over gRPC in batches.

    .venv/bin/python tests/bench/ratelimit.py [--seconds 3] [--json]

Strangers: each connection from an address of its own. One client: all from one address, far over its limit.
Users: messages of 50 users of one domain. Each with 1, 8 and 64 questions waiting. CPU time is that of the
service and of the broker: all that counting costs beside the asker. Read the ratios, not the figures.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb, ratelimit_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import OutboundLimit, OutboundPolicy, RatelimitPolicy
from mailweir_runtime.config import ensure_first
from mailweir_runtime.convert import session_to_proto
from mailweir_runtime.rpc import Batcher, RpcFailed, call, open_channel
from mailweir_testkit.nats import connected_bus, running_server

Stub = Any  # ratelimit_pb2_grpc.RatelimitServiceStub of an aio channel
WAITING = (1, 8, 64)
TIMEOUT = 5.0
START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Row:
    """One run: questions a second, and CPU microseconds a question of the service and of the broker."""

    kind: str
    waiting: int
    per_second: int
    service_us: float
    broker_us: float
    passed: float


def connection(address: str) -> pb.CheckItem:
    """Return the question about a connection."""
    session = Session("s", Listener.MX, address)
    return pb.CheckItem(phase=pb.CHECK_PHASE_CONNECT, session=session_to_proto(session))


def strangers() -> Iterator[pb.CheckItem]:
    """Yield connections, each from another address."""
    for number in itertools.count(1):
        yield connection(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")


def one_client() -> Iterator[pb.CheckItem]:
    """Yield connections from one address."""
    return itertools.repeat(connection("192.0.2.1"))


def users() -> Iterator[pb.CheckItem]:
    """Yield messages of 50 users."""
    for number in itertools.count():
        login = f"user{number % 50}@example.com"
        session = Session("s", Listener.SUBMISSION, "192.0.2.1", auth_user=login)
        yield pb.CheckItem(
            phase=pb.CHECK_PHASE_MESSAGE, session=session_to_proto(session), sender=login,
            recipients=["bob@example.net"], ref=f"r{number}", bytes=1000,
        )  # fmt: skip


KINDS: dict[str, Callable[[], Iterator[pb.CheckItem]]] = {
    "strangers": strangers,
    "one client": one_client,
    "users": users,
}


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


async def measure(
    kind: str, waiting: int, seconds: float, stub: Stub, processes: Sequence[psutil.Process]
) -> Row:
    """Keep so many questions waiting for so long."""
    items, answers, passed = KINDS[kind](), 0, 0

    async def send(asked: Sequence[pb.CheckItem], left: float) -> Sequence[pb.CheckResult]:
        response = await call(stub.Check, pb.CheckRequest(items=asked), timeout=left)
        return list(response.results)

    batcher: Batcher[pb.CheckItem, pb.CheckResult] = Batcher(send, max_in_flight=2)
    loop = asyncio.get_running_loop()
    before, started = [cpu(process) for process in processes], loop.time()

    async def ask() -> None:
        nonlocal answers, passed
        while loop.time() - started < seconds:
            result = await batcher.ask(next(items), TIMEOUT)
            answers += 1
            passed += result.outcome.advice == "none"

    async with asyncio.TaskGroup() as tasks:
        for _ in range(waiting):
            tasks.create_task(ask())
    took = loop.time() - started
    used = [cpu(process) - was for process, was in zip(processes, before, strict=True)]
    await batcher.aclose()
    service, broker = (round(one / answers * 1e6, 1) for one in used)
    return Row(kind, waiting, round(answers / took), service, broker, round(passed / answers, 3))


async def run(seconds: float) -> list[Row]:
    """Return every row."""
    outbound = OutboundPolicy(default_user=OutboundLimit(messages=1_000_000_000))
    policy = Policy(ratelimit=RatelimitPolicy(outbound=outbound))
    with tempfile.TemporaryDirectory() as directory:
        async with running_server() as nats, connected_bus(nats.url) as bus:
            await ensure_first(bus, policy, SystemClock())
            target = f"unix:{directory}/r.sock"
            environment = {
                "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
                "MAILWEIR_RATELIMIT_LISTEN": target,
                "MAILWEIR_RATELIMIT_NATS_URL": nats.url,
                "MAILWEIR_RATELIMIT_LOG_LEVEL": "error",
            }
            log = Path(directory, "log").open("wb")  # noqa: SIM115 - closed with the process
            service = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mailweir_ratelimit", env=environment, stdout=log, stderr=log
            )
            try:
                async with open_channel(target) as channel:
                    stub = ratelimit_pb2_grpc.RatelimitServiceStub(channel)
                    await _until_up(stub)
                    processes = [psutil.Process(service.pid), psutil.Process(nats.pid)]
                    return [
                        await measure(kind, waiting, seconds, stub, processes)
                        for kind in KINDS
                        for waiting in WAITING
                    ]
            finally:
                service.send_signal(signal.SIGTERM)
                await service.wait()
                log.close()


async def _until_up(stub: Stub) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                await call(stub.ListBuckets, pb.ListBucketsRequest(subject="x"), timeout=1.0)
            except RpcFailed:
                await asyncio.sleep(0.05)
            else:
                return


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rows = uvloop.run(run(options.seconds))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print(f"{'kind':12}{'waiting':>8}{'per s':>8}{'service µs':>12}{'broker µs':>11}{'passed':>8}")
    for row in rows:
        print(
            f"{row.kind:12}{row.waiting:>8}{row.per_second:>8}{row.service_us:>12}"
            f"{row.broker_us:>11}{row.passed:>8}"
        )


if __name__ == "__main__":
    main()
