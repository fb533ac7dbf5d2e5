"""The bus on a real nats-server that writes each message to disk before it acknowledges it.

    .venv/bin/python tests/bench/bus.py [--seconds 2] [--json]

Publishes of 4, 40 and 400 kB, one after another and 20 at once, through `NatsBus.publish` and through
nats-py's `js.publish`, alternating so that both see the same machine; then pulling, buckets of each kind of
storage (for these "at once" is also how many keys are read in one request), and bodies of 25 MB both ways.
CPU is that of this process alone. Read the ratios, not the figures: the disk decides the rest.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median

import nats
import uvloop

from mailweir_runtime.bus.nats import NatsBus
from mailweir_runtime.bus.ports import KeyValue
from mailweir_runtime.bus.topology import (
    BANS,
    JUDGED,
    PASSES,
    RATES,
    ConsumerSpec,
    judged_subject,
)
from mailweir_testkit.nats import connected_bus, running_server

SIZES = (4_000, 40_000, 400_000)
AT_ONCE = (1, 20)
ROUNDS = 3
BODY_BYTES = 25_000_000
VALUE_BYTES = 200
KEYS = 1000
READS = (1, 16, 64)

Publish = Callable[[str, bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    what: str
    bytes: int
    at_once: int
    per_second: float
    cpu_us: float


async def measure(
    publish: Publish, size: int, at_once: int, seconds: float, ids: Iterator[int]
) -> Row:
    """Publish for `seconds` with `at_once` waiting at a time."""
    payload = os.urandom(size)
    end = time.perf_counter() + seconds
    done = 0

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await publish(f"b{next(ids)}", payload)
            done += 1

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())
    taken = time.perf_counter() - began
    return Row("", size, at_once, done / taken, (time.process_time() - cpu) / done * 1e6)


def middle(what: str, rows: list[Row]) -> Row:
    """Return the medians of several rounds."""
    return Row(
        what,
        rows[0].bytes,
        rows[0].at_once,
        median(row.per_second for row in rows),
        median(row.cpu_us for row in rows),
    )


async def publishes(bus: NatsBus, url: str, seconds: float) -> list[Row]:
    """Compare both ways to publish. Records are published, not mail: that stream drops nothing."""
    client = await nats.connect(url, skip_subject_validation=True)
    stream = client.jetstream(timeout=30)
    ids = itertools.count()

    async def ours(ref: str, payload: bytes) -> object:
        return await bus.publish(judged_subject("s0", ref), payload, msg_id=ref)

    async def theirs(ref: str, payload: bytes) -> object:
        return await stream.publish(
            judged_subject("s0", ref), payload, headers={"Nats-Msg-Id": ref}
        )

    rows = []
    for size, at_once in itertools.product(SIZES, AT_ONCE):
        mine, other = [], []
        for _ in range(ROUNDS):
            mine.append(await measure(ours, size, at_once, seconds / ROUNDS, ids))
            other.append(await measure(theirs, size, at_once, seconds / ROUNDS, ids))
        rows += [middle("NatsBus.publish", mine), middle("nats-py js.publish", other)]
        await stream.purge_stream(JUDGED.name)
    await client.close()
    return rows


async def pulls(bus: NatsBus, seconds: float) -> list[Row]:
    """Fetch and ack, 20 at a time and one at a time."""
    rows = []
    for most in (1, 20):
        spec = ConsumerSpec(f"bench{most}", JUDGED, "mailweir.*.judged.v1.>", max_ack_pending=1000)
        count = int(1500 * seconds)
        async with asyncio.TaskGroup() as tasks:
            for worker in range(20):
                tasks.create_task(_fill(bus, f"p{most}-{worker}", count // 20))
        consumer = await bus.consumer(spec)
        began, cpu, done = time.perf_counter(), time.process_time(), 0
        while messages := await consumer.fetch(most, 0.05):
            for message in messages:
                await message.ack()
            done += len(messages)
        taken = time.perf_counter() - began - 0.05
        cost = (time.process_time() - cpu) / done * 1e6
        rows.append(Row("fetch and ack", 4_000, most, done / taken, cost))
    return rows


async def _fill(bus: NatsBus, name: str, count: int) -> None:
    for number in range(count):
        await bus.publish(judged_subject("s0", f"{name}-{number}"), b"x" * 4_000)


async def buckets(bus: NatsBus, seconds: float) -> list[Row]:
    """Put keys that end, and read many of them; on disk, on disk before it is synced, in memory."""
    rows = []
    for kind, spec in (("file", BANS), ("relaxed", PASSES), ("memory", RATES)):
        bucket = await bus.bucket(spec)
        numbers = itertools.count()

        async def put(
            _: str, payload: bytes, bucket: KeyValue = bucket, numbers: Iterator[int] = numbers
        ) -> object:
            return await bucket.put(f"k.{next(numbers) % KEYS}", payload, ttl_seconds=600.0)

        for at_once in AT_ONCE:
            row = await measure(put, VALUE_BYTES, at_once, seconds / ROUNDS, itertools.count())
            rows.append(middle(f"put, {kind}", [row]))
        rows += [await _reads(bucket, kind, many, seconds / ROUNDS) for many in READS]
    return rows


async def _reads(bucket: KeyValue, kind: str, many: int, seconds: float) -> Row:
    """Read `many` keys a request; the row is by key."""
    keys = [f"k.{number}" for number in range(many)]
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < began + seconds:
        done += len(await bucket.get_many(keys))
    taken = time.perf_counter() - began
    cost = (time.process_time() - cpu) / done * 1e6
    return Row(f"get_many, {kind}", VALUE_BYTES, many, done / taken, cost)


async def bodies(bus: NatsBus) -> list[Row]:
    """Put and get a big body."""
    content = os.urandom(BODY_BYTES)
    rows: dict[str, list[Row]] = {"body put": [], "body get": []}
    for number in range(ROUNDS * 2):
        key = f"mail/{number}"

        async def put(key: str = key) -> None:
            await bus.bodies.put(key, content)

        async def get(key: str = key) -> None:
            if await bus.bodies.get(key) != content:
                sys.exit("a body came back as another one")

        for what, call in (("body put", put), ("body get", get)):
            began, cpu = time.perf_counter(), time.process_time()
            await call()
            taken = time.perf_counter() - began
            cost = (time.process_time() - cpu) * 1e6
            rows[what].append(Row(what, BODY_BYTES, 1, 1 / taken, cost))
        await bus.bodies.delete(key)
    return [middle(what, found) for what, found in rows.items()]


def show(rows: list[Row]) -> None:
    """Print a table."""
    print(f"{'':22}{'bytes':>10}{'at once':>9}{'per s':>9}{'MB/s':>8}{'CPU µs':>9}")
    for row in rows:
        rate = row.per_second * row.bytes / 1e6
        print(
            f"{row.what:22}{row.bytes:>10}{row.at_once:>9}{row.per_second:>9.0f}{rate:>8.1f}{row.cpu_us:>9.0f}"
        )


async def main(seconds: float, as_json: bool) -> None:
    """Run all."""
    async with running_server() as server, connected_bus(server.url) as bus:
        rows = await publishes(bus, server.url, seconds)
        rows += await pulls(bus, seconds)
        rows += await buckets(bus, seconds)
        rows += await bodies(bus)
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    uvloop.run(main(options.seconds, options.json))
