"""The ingress alone against aiosmtpd with a handler that does nothing: sessions per second of CPU.

    .venv/bin/python tests/bench/ingress.py [--sessions 2000] [--rounds 3] [--profile] [--json]

Every session is one connection with one message, not pipelined. Both servers run on uvloop, each in a process
of its own; only the server's CPU time counts. Ours does everything that the service does but for the network
behind it: verdicts come from memory and mail goes into a bus in memory, with the log written as JSON.
Runs alternate, so that both see the same machine. Read the ratios, not the figures.
"""

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import pstats
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

import psutil
import uvloop
from aiosmtpd.smtp import SMTP

from mailweir_core.record import Listener
from mailweir_ingress.adapters.scoring import MemoryScorer
from mailweir_ingress.app import Address, build
from mailweir_policy import Policy
from mailweir_runtime import logs
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.config import static_config
from mailweir_runtime.listen import HostPort
from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.runtime import running_runtime

SIZES = (4_000, 40_000, 400_000)
CLIENTS = 4


class _Handler:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return "250 OK"


class _Forgetful(MemoryBus):
    """Takes everything and keeps nothing, so that memory is not what is measured."""

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> Any:
        del subject, payload, msg_id


@asynccontextmanager
async def _aiosmtpd() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(_Handler(), hostname="bench.example.com", loop=loop), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


@asynccontextmanager
async def _mailweir() -> AsyncIterator[int]:
    where = [Address(Listener.MX, HostPort("127.0.0.1", 0))]
    async with (
        running_runtime("ingress") as rt,
        build(rt, _Forgetful(), static_config(Policy()), MemoryScorer(), where) as ingress,
    ):
        yield ingress.bound[Listener.MX][0].port


SERVERS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"mailweir": _mailweir, "aiosmtpd": _aiosmtpd}
)


async def _serve(name: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with SERVERS[name]() as port:
        print(port, flush=True)
        await stop.wait()


def serve(name: str, profile: str) -> None:
    """Run one server until SIGTERM; write a profile where a file is named."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        logs.configure(log_format="json", level="info", service="bench", stream=nowhere)
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(name))
        if profile:
            profiler.disable()
            profiler.dump_stats(profile)


def _send(port: int, sessions: int, data: bytes) -> None:
    commands = (
        b"EHLO client.example.net\r\n", b"MAIL FROM:<anna@example.net>\r\n",
        b"RCPT TO:<bob@example.com>\r\n", b"DATA\r\n", data, b"QUIT\r\n",
    )  # fmt: skip
    for _ in range(sessions):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.recv(4096)
            for command in commands:
                connection.sendall(command)
                if connection.recv(4096)[:1] not in (b"2", b"3"):
                    raise RuntimeError(f"refused: {command[:40]!r}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one session cost the server, in microseconds of CPU."""

    user: float
    system: float

    @property
    def both(self) -> float:
        """Return all of it."""
        return self.user + self.system


def measure(name: str, sessions: int, size: int, profile: str = "") -> Cost:
    """Return the cost per session of one server at one message size."""
    command = [sys.executable, __file__, "--serve", name, "--profile-to", profile]
    data = mail_of_size(size) + b".\r\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        process = psutil.Process(server.pid)
        _load(port, CLIENTS * 10, data)
        before = process.cpu_times()
        _load(port, sessions, data)
        after = process.cpu_times()
        server.terminate()
    each = 1e6 / sessions
    return Cost((after.user - before.user) * each, (after.system - before.system) * each)


def _load(port: int, sessions: int, data: bytes) -> None:
    senders = [
        multiprocessing.Process(target=_send, args=(port, sessions // CLIENTS, data))
        for _ in range(CLIENTS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
        if sender.exitcode:
            raise RuntimeError("a client failed")


def compare(sessions: int, rounds: int, size: int) -> dict[str, Cost]:
    """Return the median cost of each server."""
    runs: dict[str, list[Cost]] = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name, costs in runs.items():
            costs.append(measure(name, sessions, size))
    return {
        name: Cost(median(c.user for c in costs), median(c.system for c in costs))
        for name, costs in runs.items()
    }


def show_profile(sessions: int) -> None:
    """Print what the time of our server goes into, by function."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/profile"
        measure("mailweir", sessions, SIZES[0], path)
        pstats.Stats(path).sort_stats("tottime").print_stats(40)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=tuple(SERVERS))
    parser.add_argument("--profile-to", default="")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.profile_to)
        return
    if options.profile:
        show_profile(options.sessions)
        return
    for size in SIZES:
        costs = compare(
            max(CLIENTS * 50, options.sessions * SIZES[0] // size), options.rounds, size
        )
        ratio = costs["aiosmtpd"].both / costs["mailweir"].both
        if options.json:
            found = {name: asdict(cost) for name, cost in costs.items()}
            print(json.dumps({"bytes": size, "ratio": round(ratio, 2), "microseconds": found}))
            continue
        print(f"{size:>7} bytes: {ratio:.2f} x the sessions of aiosmtpd per second of CPU")
        for name, cost in costs.items():
            print(
                f"    {name:<9} {cost.user:6.0f} us user + {cost.system:5.0f} us system a session"
            )


if __name__ == "__main__":
    main()
