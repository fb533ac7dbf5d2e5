"""What a message costs the SMTP client of delivery, in CPU of its own process.

    .venv/bin/python tests/bench/delivery.py [--loop uvloop|asyncio] [--json]

One connection that is used again and again to a sink in a process of its own, messages of 4, 40 and 400 kB.
Where aiosmtplib is installed (`uv pip install aiosmtplib`) it sends the same beside ours, in turn, so
that both see the same machine: read the ratio. See docs/adr/0005-smtp-client.md.
"""

import argparse
import asyncio
import importlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_delivery.adapters.smtp.carrier import SmtpCarrier
from mailweir_delivery.adapters.smtp.late import LateReplies
from mailweir_delivery.adapters.smtp.terms import TlsContexts
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.replies import Verdict
from mailweir_delivery.policy.routing import Hop, Kind, Tls
from mailweir_delivery.ports import Leg, Parcel
from mailweir_policy import Policy

SIZES = {4_000: 1000, 40_000: 500, 400_000: 100}
ROUNDS = 5
LINE = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod temp\r\n"
SENDER, RECIPIENT = "sender@example.org", "recipient@example.com"

Send = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: CPU and time of a message, in microseconds."""

    client: str
    bytes: int
    cpu_us: float
    wall_us: float


@contextmanager
def sink_process():
    """Run the sink and yield its port."""
    command = [sys.executable, "-m", "mailweir_testkit.sink", "--record", "/dev/null"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().split()[1])
        finally:
            process.terminate()


def message(size: int) -> bytes:
    """Return a message of about that size."""
    return b"Subject: bench\r\n\r\n" + LINE * (size // len(LINE))


async def cost(client: str, send: Send, size: int) -> Row:
    """Send some messages one after another."""
    content, count = message(size), SIZES[size]
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        await send(content)
    return Row(
        client,
        size,
        (time.process_time() - cpu) / count * 1e6,
        (time.perf_counter() - wall) / count * 1e6,
    )


def ours(port: int) -> Send:
    """Return what sends by delivery's client."""
    metrics = Metrics(CollectorRegistry(), SystemClock())
    carrier = SmtpCarrier(TlsContexts.load(), LateReplies(metrics), metrics)
    policy = Policy.model_validate({"delivery": {"messages_per_connection": 10_000}})
    leg = Leg(Hop(Kind.SMTP, "127.0.0.1", port), Tls.OPPORTUNISTIC, policy)

    async def send(content: bytes) -> None:
        parcel = Parcel("bench", 0, SENDER, content, 0.0)
        endings = await carrier.deliver(parcel, (RECIPIENT,), leg)
        assert endings[RECIPIENT].verdict is Verdict.DELIVERED

    return send


async def theirs(port: int) -> Send | None:
    """Return what sends by aiosmtplib, or None where it is not installed."""
    if importlib.util.find_spec("aiosmtplib") is None:
        return None
    library: Any = importlib.import_module("aiosmtplib")
    client = library.SMTP(hostname="127.0.0.1", port=port, start_tls=False, use_tls=False)
    await client.connect()

    async def send(content: bytes) -> None:
        await client.sendmail(SENDER, [RECIPIENT], content)

    return send


async def measure(port: int) -> list[Row]:
    """Return the median of each client and size."""
    clients = {"mailweir": ours(port), "aiosmtplib": await theirs(port)}
    rows: list[Row] = []
    for size in SIZES:
        found: dict[str, list[Row]] = {}
        for _ in range(ROUNDS):
            for name, send in clients.items():
                if send is not None:
                    found.setdefault(name, []).append(await cost(name, send, size))
        rows += (
            Row(name, size, median(r.cpu_us for r in rs), median(r.wall_us for r in rs))
            for name, rs in found.items()
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    factory = uvloop.new_event_loop if options.loop == "uvloop" else asyncio.new_event_loop
    with sink_process() as port, asyncio.Runner(loop_factory=factory) as runner:
        rows = runner.run(measure(port))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        print(f"{row.client:12} {row.bytes:8} B  {row.cpu_us:8.0f} µs CPU  {row.wall_us:8.0f} µs")


if __name__ == "__main__":
    main()
