"""Greylisting against a real broker: what a check costs, and the list of many entries.

    .venv/bin/python tests/bench/greylist.py [--entries 100000]

Questions of suspicious clients, each another one, are put to the checker in batches: first seen (a read and a
write each), too early (a read), then a batch now and then while the copy for the list is filled from all of
these entries, then pages of that list. CPU is that of this process; the broker has its own.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from mailweir_core.client import ClientFacts
from mailweir_core.clock import SystemClock
from mailweir_core.record import Listener, Session
from mailweir_greylist.adapters.index import Index
from mailweir_greylist.adapters.store import KvStore
from mailweir_greylist.checking import Checker
from mailweir_greylist.metrics import declare
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistPolicy
from mailweir_testkit.nats import connected_bus, running_server

BATCHES: Final = (1, 8, 32, 128)
ROUNDS: Final = 4096
# Nothing is to pass because this machine is busy.
POLICY: Final = GreylistPolicy(answer_seconds=5.0)


def question(number: int) -> Question:
    """Return the question of a client of its own."""
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    session = Session("s", Listener.MX, address, helo="mail.example.net")
    sender = f"ann{number}@d{number}.example.net"
    return Question(session, ClientFacts(suspicion=3.0), sender, (f"bob{number % 50}@example.com",))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


async def ask(checker: Checker, numbers: range, batch: int, wanted: str) -> list[float]:
    """Ask about clients in batches; return the time of each batch in seconds."""
    times = []
    for start in range(numbers.start, numbers.stop, batch):
        questions = [question(n) for n in range(start, min(start + batch, numbers.stop))]
        begin = time.perf_counter()
        answers = await checker.check(questions, POLICY)
        times.append(time.perf_counter() - begin)
        if {str(a.finding) for found in answers for a in found} != {wanted}:
            raise SystemExit(f"not all of {numbers} are {wanted}: {answers[0]}")
    return times


async def checks(checker: Checker) -> int:
    """Print what checks cost by batch; return how many clients were asked."""
    first = 0
    for batch in BATCHES:
        numbers = range(first, first + ROUNDS)
        for wanted in ("first", "early"):
            begin, cpu = time.perf_counter(), time.process_time()
            times = await ask(checker, numbers, batch, wanted)
            spent, cpu = time.perf_counter() - begin, time.process_time() - cpu
            print(
                f"{wanted:>6} by {batch:>3}: {ROUNDS / spent:7.0f}/s  {cpu / ROUNDS * 1e6:5.0f} us CPU each"
                f"  p50 {quantile(times, 0.5):6.2f} ms  p99 {quantile(times, 0.99):6.2f} ms"
            )
        first += ROUNDS
    return first


async def filling(checker: Checker, index: Index) -> None:
    """Fill the copy while checks go on; print how long it takes and how long they wait."""
    before, times = resident(), []
    begin = time.perf_counter()
    task = asyncio.ensure_future(index.catch_up())
    while not task.done():
        times += await ask(checker, range(8), 8, "early")
        await asyncio.sleep(0.01)
    spent = time.perf_counter() - begin
    print(
        f"copy of the list: {spent:.2f} s, {resident() - before:.0f} MB; batches of 8 meanwhile:"
        f" p50 {quantile(times, 0.5):.2f} ms, p99 {quantile(times, 0.99):.2f} ms"
    )


async def pages(index: Index) -> None:
    """Print how long pages take."""
    for what, text, before in (
        ("the first page", "", 0), ("a rare text", "ann77@", 0), ("a text that is nowhere", "nobody", 0),
        ("a page far down", "", 5000),
    ):  # fmt: skip
        begin = time.perf_counter()
        page = await index.page(
            state=None, text=text, limit=50, before=before, now=SystemClock().now()
        )
        spent = (time.perf_counter() - begin) * 1000
        print(f"{what}: {len(page.entries)} entries in {spent:.1f} ms")


def resident() -> float:
    """Return this process's memory in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


async def run(entries: int) -> None:
    """Run all of it."""
    async with running_server() as nats, connected_bus(nats.url) as bus:
        metrics = declare(CollectorRegistry())
        checker = Checker(KvStore(bus, metrics), SystemClock(), metrics)
        asked = await checks(checker)
        if asked < entries:
            await ask(checker, range(asked, entries), 100, "first")
        index = Index(bus, 2 * entries + asked, metrics, SystemClock())
        await filling(checker, index)
        await pages(index)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="What greylisting costs.")
    parser.add_argument("--entries", type=int, default=100_000)
    asyncio.run(run(parser.parse_args().entries))


if __name__ == "__main__":
    main()
