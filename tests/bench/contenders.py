"""Who takes part in the whole-path bench: each is started for one run, and gives its port and its process."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import postfix

from mailweir_testkit.processes import cpu_seconds
from mailweir_testkit.product import Product, product

UNSCANNED: Final = 'relay.unscanned_networks=["127.0.0.0/8"]'


@dataclass(frozen=True, slots=True)
class Running:
    """A started contender. `pid`: the process whose CPU time, with all below it, is counted.

    `delivers`: whether what it takes arrives at the sink. `parts`: CPU seconds so far by process name.
    """

    port: int
    pid: int
    delivers: bool = True
    parts: Callable[[], dict[str, float]] = dict


@dataclass(frozen=True, slots=True)
class Contender:
    """A contender: `start` takes a folder and the sink's port; `missing` says why it cannot take part."""

    name: str
    start: Callable[[Path, int], AbstractContextManager[Running]]
    missing: str = ""


@contextmanager
def noop(_: Path, __: int) -> Iterator[Running]:
    """Run aiosmtpd with a handler that does nothing."""
    command = [sys.executable, str(Path(__file__).with_name("noop_server.py"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Running(int(process.stdout.readline()), process.pid, delivers=False)
    finally:
        process.kill()
        process.wait()


@contextmanager
def with_postfix(folder: Path, sink: int) -> Iterator[Running]:
    """Run Postfix."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with postfix.postfix(folder / "postfix", port, sink) as pid:
        yield Running(port, pid)


def parts_of(running: Product) -> dict[str, float]:
    """Return the CPU seconds of each process of the product, the supervisor's own as `up`."""
    found = {name: cpu_seconds(process.pid) for name, process in running.processes().items()}
    return {**found, "up": cpu_seconds(running.process.pid) - sum(found.values())}


def mailweir(*assignments: str) -> Callable[[Path, int], AbstractContextManager[Running]]:
    """Return a starter of the product with policy fields set."""

    @contextmanager
    def start(folder: Path, sink: int) -> Iterator[Running]:
        options = [f"--set={assignment}" for assignment in assignments]
        hop = f"--next-hop=smtp://127.0.0.1:{sink}"
        with product(folder / "data", "--no-samples", hop, *options) as running:
            port = running.address("smtp")[1]
            yield Running(port, running.process.pid, parts=lambda: parts_of(running))

    return start


def contenders(stages: tuple[str, ...]) -> list[Contender]:
    """Return all of them; `stages` are the scoring stages that there are."""
    off = [f"scoring.stages.{stage}.enabled=false" for stage in stages]
    return [
        Contender("Postfix", with_postfix, postfix.why_not()),
        Contender("aiosmtpd, no-op", noop),
        Contender("Mailweir", mailweir()),
        Contender("Mailweir, no scoring stages", mailweir(*off)),
        Contender("Mailweir, scanning off", mailweir(UNSCANNED)),
    ]
