"""A flood of clients that are turned away, beside a few that send mail; and the same flood on postscreen.

    python tests/bench/flood.py [--json] [--connections 20000] [--rate 500]

The whole product runs behind a PROXY header, which says for whom each connection comes: half of the flood are
banned networks, half are on a block list. Known senders send 20 messages a second, first alone, then beside
the flood, which is paced by the clock so that it leaves the services a core. Printed are how long a known
message takes quiet and under the flood, the CPU time of a connection that is turned away (all processes of
the product, less what the known mail costs alone), the ingress's memory, and CPU time of the same flood on
Postfix's postscreen with the same networks in its access list. Read the ratios: machines that others use too
change their speed within minutes.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import postfix

from mailweir_testkit.processes import cpu_seconds
from mailweir_testkit.product import Product, product

BANNED: Final = ("198.18.0.0/22",)
LISTED: Final = ("198.19.0.0/22",)
DISTINCT: Final = 2044
"""Addresses in these."""
KNOWN: Final = tuple(f"198.{n % 2 + 18}.{n // 2 + 128}.7/32" for n in range(256))
"""Senders in networks of their own, so that none comes often enough to meet a limit (addresses: RFC 2544)."""
KNOWN_RATE: Final = 20.0
WARM_UP: Final = len(KNOWN)
"""Known senders wait for the banner once, as everybody does; then they have a pass."""
PROXIED: Final = 'relay.proxy_networks=["127.0.0.0/8"]'
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """A generator in a process of its own."""

    process: "subprocess.Popen[str]"

    def result(self) -> Found:
        """Wait for what it found."""
        out, _ = self.process.communicate(timeout=600)
        if self.process.returncode:
            raise RuntimeError("a generator failed")
        found: Found = json.loads(out)
        return found


def begin(kind: str, port: int, count: int, rate: float, networks: Sequence[str]) -> Client:
    """Start a generator."""
    command = [sys.executable, "-m", "mailweir_testkit.flood", kind, "--port", str(port)]
    command += ["--count", str(count), "--rate", str(rate), "--networks", *networks]
    return Client(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))


def turn_away(running: Product) -> None:
    """Ban the one half of the flood and put the other on the block list; wait until both hold."""
    with running.client() as client:
        for network in BANNED:
            document = {"subject": network, "seconds": 7200, "reason": "bench"}
            client.post("/bans", json=document).raise_for_status()
        for network in LISTED:
            client.post("/lists", json={"kind": "block", "item": network}).raise_for_status()
    port = running.address("smtp")[1]
    end = time.monotonic() + 20
    for network in (*BANNED, *LISTED):
        while not _is_refused(begin("away", port, 1, 1, [network]).result()):
            if time.monotonic() > end:
                raise TimeoutError(f"{network} is not turned away")


def _is_refused(found: Found) -> bool:
    return all(reply[:1] in ("4", "5") for reply in found["replies"])


@dataclass(frozen=True, slots=True)
class Meter:
    """What the product has used so far: CPU seconds by process, and the ingress's resident bytes."""

    cpu: dict[str, float]
    resident: int

    @classmethod
    def of(cls, running: Product) -> "Meter":
        """Read it."""
        processes = running.processes()
        cpu = {name: cpu_seconds(process.pid) for name, process in processes.items()}
        return cls(cpu, processes["ingress"].memory_info().rss)

    def since(self, before: "Meter") -> dict[str, float]:
        """Return CPU seconds by process since another reading."""
        return {name: used - before.cpu.get(name, 0.0) for name, used in self.cpu.items()}


def measure(running: Product, connections: int, rate: float) -> Found:
    """Return what known mail and the flood cost together."""
    port = running.address("smtp")[1]
    turn_away(running)
    warm = begin("known", port, WARM_UP, 100, KNOWN).result()
    seconds = connections / rate
    mails = max(20, int(seconds * KNOWN_RATE))
    first = Meter.of(running)
    begin("away", port, DISTINCT, rate / 4, (*BANNED, *LISTED)).result()  # each of them once
    start = Meter.of(running)
    quiet = begin("known", port, mails, KNOWN_RATE, KNOWN).result()
    if not quiet["took"]:
        raise RuntimeError(f"known mail was refused: {quiet['refused'][:3]}")
    middle = Meter.of(running)
    known = begin("known", port, mails, KNOWN_RATE, KNOWN)
    away = begin("away", port, connections, rate, (*BANNED, *LISTED)).result()
    loud = known.result()
    end = Meter.of(running)
    each = 1000 / connections
    alone, both = middle.since(start), end.since(middle)
    parts = {name: round((both[name] - alone.get(name, 0.0)) * each, 4) for name in both}
    met = {name: round(used * 1000 / DISTINCT, 4) for name, used in start.since(first).items()}
    return {
        "known": {
            "quiet": quantiles(quiet["took"]),
            "flood": quantiles(loud["took"]),
            "p95_ratio": round(p95(loud["took"]) / p95(quiet["took"]), 2),
            "refused": [*warm["refused"], *quiet["refused"], *loud["refused"]],
        },
        "away": away,
        "cpu_ms": {"all": round(sum(parts.values()), 4), **parts},
        "first_contact_cpu_ms": {"all": round(sum(met.values()), 4), **met},
        "resident_mib": {
            "before": round(middle.resident / 2**20, 1),
            "after": round(end.resident / 2**20, 1),
        },
    }


def p95(took: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(took, n=20)[18]


def quantiles(took: Sequence[float]) -> Found:
    """Return milliseconds of the middle and of the 95th of a hundred."""
    return {"p50": round(statistics.median(took) * 1000, 1), "p95": round(p95(took) * 1000, 1)}


@contextmanager
def postscreen(folder: Path) -> Iterator[tuple[int, int]]:
    """Run postscreen; yields its port and the pid of Postfix's master."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with postfix.postfix(folder / "postfix", port, 9, (*BANNED, *LISTED)) as pid:
        yield port, pid


def measure_postscreen(folder: Path, connections: int, rate: float) -> Found:
    """Return what the flood costs there."""
    with postscreen(folder) as (port, pid):
        begin("away", port, DISTINCT, rate, (*BANNED, *LISTED)).result()
        before = cpu_seconds(pid)
        away = begin("away", port, connections, rate, (*BANNED, *LISTED)).result()
        time.sleep(1)  # its log is written by a process that may lag
        used = cpu_seconds(pid) - before
    return {"away": away, "cpu_ms": {"all": round(used * 1000 / connections, 4)}}


def run(folder: Path, connections: int, rate: float) -> Found:
    """Measure both; returns everything."""
    hop = f"--next-hop=maildir://{folder / 'mail'}"
    with product(folder / "data", "--no-samples", hop, f"--set={PROXIED}") as running:
        found: Found = {"mailweir": measure(running, connections, rate)}
    missing = postfix.why_not()
    if missing:
        return {**found, "postscreen": missing}
    found["postscreen"] = measure_postscreen(folder, connections, rate)
    ours, theirs = (found[name]["cpu_ms"]["all"] for name in ("mailweir", "postscreen"))
    return {**found, "turned_away_per_cpu_second_ratio": round(theirs / ours, 2)}


def show(found: Found) -> None:
    """Print it for people."""
    ours = found["mailweir"]
    known, memory = ours["known"], ours["resident_mib"]
    print(f"known mail, quiet:     p50 {known['quiet']['p50']} ms, p95 {known['quiet']['p95']} ms")
    print(f"known mail, flood:     p50 {known['flood']['p50']} ms, p95 {known['flood']['p95']} ms")
    print(f"p95, flood to quiet:   {known['p95_ratio']}")
    print(f"known mail refused:    {len(known['refused'])} {known['refused'][:3]}")
    print(f"turned away:           {ours['away']}")
    print(f"CPU of each, ms:       {ours['cpu_ms']}")
    print(f"ingress, resident MiB: {memory['before']} before, {memory['after']} after")
    print(f"postscreen:            {found['postscreen']}")
    ratio = found.get("turned_away_per_cpu_second_ratio")
    if ratio is not None:
        print(f"turned away per CPU second, to postscreen: {ratio}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=500.0, help="connections a second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Postfix works under accounts of its own
        found = run(Path(folder), options.connections, options.rate)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
