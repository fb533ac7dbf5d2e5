"""What each message leaves on disk, and each process in memory: `python tests/bench/storage.py`.

A `mailweir up` gets clean mail of 4 kB of many senders. Once all is delivered and recorded, the bytes that
the streams of the broker and the databases grew by are divided by the messages.
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.load import Letter, Plan, deliver
from mailweir_testkit.product import Product, product

SETTLE_SECONDS = 120.0


def parts(data: Path) -> dict[str, int]:
    """Return the bytes of each store below the data directory."""
    found = {path.stem: _database(path) for path in data.glob("*.db")}
    for stream in data.glob("nats/store/jetstream/*/streams/*"):
        found[stream.name] = sum(f.stat().st_size for f in stream.rglob("*") if f.is_file())
    return found


def _database(path: Path) -> int:
    """Return the bytes of a database, what its log holds included."""
    with closing(sqlite3.connect(path)) as connection:
        (pages,), (size,) = (
            connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size")
        )
    return int(pages) * int(size)


def letters(count: int, content: bytes, name: str) -> list[Letter]:
    """Return letters of many senders."""
    return [
        Letter(f"{name}{n}", f"p{n % 997}@firm{n % 97}.example", ("bob@example.com",), content)
        for n in range(count)
    ]


def settled(running: Product, state: str, count: int) -> None:
    """Wait until so many records are in a state."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        found = [r for r in running.records().values() if r["state"] == state]
        if len(found) >= count:
            return
        time.sleep(1.0)
    raise TimeoutError(f"fewer than {count} messages are {state}")


def grown(running: Product, title: str, state: str, sent: list[Letter]) -> None:
    """Send, wait, and print what each message left behind."""
    before = parts(running.data)
    host, port = running.address("smtp")
    fates = asyncio.run(deliver(Plan(host, port, 8), sent))
    assert all(fate.taken for fate in fates)
    settled(running, state, len(sent))
    time.sleep(3.0)
    after = parts(running.data)
    each = {name: (after[name] - before.get(name, 0)) / len(sent) for name in sorted(after)}
    shown = ", ".join(f"{name} {size:,.0f}" for name, size in each.items() if size > 20)
    sys.stdout.write(f"{title}: bytes a message: {shown}\n")


def main(messages: int) -> None:
    """Measure."""
    with (
        tempfile.TemporaryDirectory(prefix="mailweir-storage-") as folder,
        product(Path(folder) / "data", "--no-samples") as running,
    ):
        clean = mail_of_size(4_000)
        grown(running, "delivered, 4 kB", "delivered", letters(messages, clean, "c"))
        for name, process in sorted(running.processes().items()):
            sys.stdout.write(f"{name:<12} {process.memory_info().rss / 2**20:6.1f} MiB resident\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1000)
    main(parser.parse_args().messages)
