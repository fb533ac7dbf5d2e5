"""The cost of a message over the whole path, beside aiosmtpd doing nothing and Postfix doing the same.

    python tests/bench/path.py [--json] [--rounds N] [--scale N] [--only WORD]

Messages per CPU second: user and system time of all processes of a contender together, from /proc, until the
last message has arrived at the sink; that of sender and sink is not counted. Every contender gets the same
bytes, one connection per message (`smtp-source` where it is installed, else our own load client), ten at a
time, and hands them on to the same sink. Postfix and Mailweir have a message on disk before they say 250.

Everybody is measured once a round, in turn and each second round in reverse; a ratio is the median of the
rounds' ratios, each between two figures of the same round: a machine that others use too changes its speed
within minutes, by more than what is looked for. Absolute figures of such machines say little.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contenders import Contender, Running, contenders

from mailweir_scoring.policy.stages import STAGES
from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.processes import cpu_seconds

SIZES = {4_000: 600, 40_000: 400, 400_000: 80}
"""Bytes of a message to how many are sent."""
Measured = dict[str, Any]
WARM_UP = 30
CONNECTIONS = 10
SETTLE_SECONDS = 60.0


class Sink:
    """The next hop in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "record"
        command = [sys.executable, "-m", "mailweir_testkit.sink", "--record", str(self._record)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().split()[1])

    def count(self) -> int:
        """Return how many messages have arrived."""
        return self._record.read_bytes().count(b"\n") if self._record.exists() else 0


@contextmanager
def sink(folder: Path) -> Iterator[Sink]:
    """Run the sink."""
    made = Sink(folder)
    try:
        yield made
    finally:
        made.process.terminate()
        made.process.wait()


def send(port: int, size: int, count: int, folder: Path) -> None:
    """Send `count` messages of `size` bytes, one connection each."""
    if shutil.which("smtp-source"):
        content = folder / f"{size}.eml"
        # it sends the file's lines with CRLF
        content.write_bytes(mail_of_size(size).replace(b"\r\n", b"\n"))
        command = ["smtp-source", "-s", str(CONNECTIONS), "-m", str(count), "-F", str(content)]
        command += ["-f", "anna@example.net", "-t", "bob@example.com", f"127.0.0.1:{port}"]
    else:
        command = [sys.executable, "-m", "mailweir_testkit.load", "--port", str(port)]
        command += ["--size", str(size), "--count", str(count), "--connections", str(CONNECTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the sender failed: {done.stdout} {done.stderr}")


def measure(running: Running, target: Sink, size: int, count: int, folder: Path) -> Measured:
    """Send and return messages per CPU second, per second, and the CPU milliseconds of each process."""
    expected = target.count() + count
    cpu, parts, begin = cpu_seconds(running.pid), running.parts(), time.monotonic()
    send(running.port, size, count, folder)
    taken = time.monotonic() - begin
    while running.delivers and target.count() < expected:
        if time.monotonic() - begin > SETTLE_SECONDS + taken:
            raise RuntimeError(f"{expected - target.count()} messages have not arrived")
        time.sleep(0.02)
    arrived = time.monotonic() - begin
    time.sleep(0.5)  # records and acks behind the delivery are part of the path
    used = cpu_seconds(running.pid) - cpu
    return {
        "messages": count,
        "cpu_seconds": round(used, 3),
        "per_cpu_second": round(count / max(used, 0.001), 1),
        "taken_per_second": round(count / taken, 1),
        "delivered_per_second": round(count / arrived, 1),
        "milliseconds": {
            name: round((now - parts.get(name, 0.0)) / count * 1000, 2)
            for name, now in running.parts().items()
        },
    }


def run(contender: Contender, scale: float) -> dict[int, Measured]:
    """Start a contender and measure it at every size."""
    with tempfile.TemporaryDirectory(prefix="mailweir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postfix's processes run under accounts of their own
        with sink(folder) as target, contender.start(folder, target.port) as running:
            found = {}
            for size, count in SIZES.items():
                send(running.port, size, WARM_UP, folder)
                time.sleep(1.0)
                found[size] = measure(running, target, size, max(10, int(count * scale)), folder)
            return found


Rounds = dict[str, list[dict[int, Measured]]]
"""By contender, then by round, then by size."""


def ratios(results: Rounds, name: str, size: int) -> list[float]:
    """Return a contender's ratio to the first one, round by round."""
    base = next(iter(results.values()))
    return [
        mine[size]["per_cpu_second"] / other[size]["per_cpu_second"]
        for mine, other in zip(results[name], base, strict=True)
    ]


def middle(rounds: Sequence[dict[int, Measured]], size: int, key: str) -> float:
    """Return the median over the rounds."""
    return statistics.median(found[size][key] for found in rounds)


def show(results: Rounds, skipped: dict[str, str]) -> None:
    """Print a table of messages per CPU second and of the ratios to the first contender that ran."""
    sizes = list(SIZES)
    print(f"{'messages per CPU second':28}" + "".join(f"{f'{s // 1000} kB':>26}" for s in sizes))
    for name, rounds in results.items():
        cells = []
        for size in sizes:
            found = ratios(results, name, size)
            span = f"{statistics.median(found):.2f} × {min(found):.2f}–{max(found):.2f}"
            cells.append(f"{middle(rounds, size, 'per_cpu_second'):>8.0f} ({span})")
        print(f"{name:28}" + "".join(f"{cell:>26}" for cell in cells))
    for name, why in skipped.items():
        print(f"{name:28}  skipped: {why}")
    first = next(iter(results))
    print(f"\n× is the median of the rounds' ratios to {first}, with the lowest and the highest.")
    print("\nPer second of the clock, delivered:")
    for name, rounds in results.items():
        rates = "".join(f"{middle(rounds, s, 'delivered_per_second'):>18.0f}/s     " for s in sizes)
        print(f"{name:28}{rates}")
    print("\nCPU milliseconds a message, by process:")
    for name, rounds in results.items():
        for size in sizes:
            parts = {
                part: statistics.median(r[size]["milliseconds"].get(part, 0.0) for r in rounds)
                for part in rounds[0][size]["milliseconds"]
            }
            if parts:
                ranked = sorted(parts.items(), key=lambda item: -item[1])
                spent = ", ".join(f"{part} {ms:.2f}" for part, ms in ranked)
                print(f"{name:28}{f'{size // 1000} kB':>8}  {spent}")


def main(arguments: Sequence[str]) -> None:
    """Measure everybody and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--rounds", type=int, default=3, help="how often everybody is measured")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of messages")
    parser.add_argument("--only", default="", help="only contenders whose name has this word in it")
    args = parser.parse_args(arguments)
    wanted = [
        one
        for one in contenders(tuple(stage.name for stage in STAGES))
        if args.only.lower() in one.name.lower()
    ]
    skipped = {one.name: one.missing for one in wanted if one.missing}
    present = [one for one in wanted if not one.missing]
    results: Rounds = {one.name: [] for one in present}
    for number in range(args.rounds):
        for one in present if number % 2 == 0 else reversed(present):
            print(f"… round {number + 1}: {one.name}", file=sys.stderr)
            results[one.name].append(run(one, args.scale))
    if args.json:
        print(json.dumps({"results": results, "skipped": skipped}, indent=2))
    elif results:
        show(results, skipped)


if __name__ == "__main__":
    main(sys.argv[1:])
