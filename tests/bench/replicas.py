"""What three copies cost: publishes to one nats-server and to a cluster of three, each written to disk first.

    python tests/bench/replicas.py [--seconds 3]

Publishes of 4 and 40 kB with 20 and 100 waiting at a time, and the CPU of all servers together. The three
share this machine's cores and disk, which servers in earnest do not: read the CPU, and the order of the rate.
"""

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from mailweir_runtime.bus.topology import judged_subject
from mailweir_testkit.nats import NatsServer, connected_bus, running_cluster, running_server

SIZES = (4_000, 40_000)
AT_ONCE = (20, 100)


def cpu_seconds(servers: Sequence[NatsServer]) -> float:
    """Return the CPU that servers have used so far."""
    ticks = 0
    for server in servers:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure(servers: Sequence[NatsServer], copies: int, seconds: float) -> None:
    """Publish, and print a line for each size."""
    url = ",".join(server.url for server in servers)
    async with connected_bus(url, replicas=copies, connect_seconds=60) as bus:
        numbers = itertools.count()
        for size, at_once in itertools.product(SIZES, AT_ONCE):
            payload = os.urandom(size)
            end, done, before = time.perf_counter() + seconds, 0, cpu_seconds(servers)
            began = time.perf_counter()

            async def work(payload: bytes = payload, end: float = end) -> None:
                nonlocal done
                while time.perf_counter() < end:
                    ref = f"b{next(numbers)}"
                    await bus.publish(judged_subject("s0", ref), payload, msg_id=ref)
                    done += 1

            async with asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(work())
            taken, cpu = time.perf_counter() - began, cpu_seconds(servers) - before
            sys.stdout.write(
                f"{copies} {'copy  ' if copies == 1 else 'copies'}  {size:>6} bytes  {at_once:>4} at once"
                f"  {done / taken:>7.0f}/s  {cpu / done * 1e3:>6.2f} ms CPU each\n"
            )


async def main(seconds: float) -> None:
    """Measure one server, then three."""
    async with running_server() as alone:
        await measure([alone], 1, seconds)
    async with running_cluster() as three:
        await measure(three, 3, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    uvloop.run(main(parser.parse_args().seconds))
