"""The whole product as processes: `mailweir up` in a folder of its own, on ports the system chose."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

import httpx2
import psutil

from mailweir_testkit.processes import child, descendants, wait_until
from mailweir_testkit.rest import records

PROGRAM: Final = Path(sys.executable).with_name("mailweir")
READY_SECONDS: Final = 90.0
_FREE_PORTS: Final = ("--smtp", "0", "--submission", "0", "--http", "0")


@dataclass(frozen=True, slots=True)
class Product:
    """A running `mailweir up`."""

    process: "Popen[bytes]"
    data: Path
    log: Path

    @property
    def where(self) -> Mapping[str, Any]:
        """Return what runs where, as `up` wrote it down."""
        document: Mapping[str, Any] = json.loads((self.data / "up.json").read_text())
        return document

    def address(self, name: str) -> tuple[str, int]:
        """Return host and port of smtp, submission or http."""
        host, _, port = str(self.where[name]).rpartition(":")
        return host, int(port)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the REST API wants."""
        key = (self.data / "admin.key").read_text().strip()
        return {"Authorization": f"Bearer {key}"}

    def client(self) -> httpx2.Client:
        """Return a client of the REST API, its key included; the caller closes it."""
        return httpx2.Client(
            base_url=f"http://{self.where['http']}/api/v1",
            headers=self.headers,
            timeout=30,
            trust_env=False,
        )

    def get(self, path: str, **query: str | int) -> Any:
        """Return the decoded body of a REST resource."""
        with self.client() as client:
            return client.get(path, params=query).raise_for_status().json()

    def records(self) -> dict[str, dict[str, Any]]:
        """Return every record, page by page, by its id."""
        with self.client() as client:
            return records(client)

    def processes(self) -> dict[str, psutil.Process]:
        """Return the processes that run now, by name; one that is just being started may be missing."""
        found = {}
        for process in descendants(self.process.pid):
            try:
                name = _name(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if name:
                found[name] = process
        return found

    @property
    def output(self) -> str:
        """Return what `up` has written so far."""
        return self.log.read_text(errors="replace")


def _name(command: Sequence[str]) -> str:
    if len(command) > 1 and command[-2] == "-m" and command[-1].startswith("mailweir_"):
        return command[-1].removeprefix("mailweir_")
    return "nats" if command and Path(command[0]).name == "nats-server" else ""


@contextmanager
def product(
    data: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    ready: bool = True,
) -> Iterator[Product]:
    """Run `mailweir up --plain` with further arguments until the block ends, then drain it.

    `ready`: wait until it says so; raises TimeoutError with its output where it does not.
    """
    earlier = len(list(data.parent.glob(f"{data.name}.out.*")))
    log = data.with_name(f"{data.name}.out.{earlier}")
    command = [str(PROGRAM), "up", "--plain", "--data", str(data), *_FREE_PORTS, *arguments]
    with child(command, log=log, environment=environment, grace_seconds=60) as process:
        made = Product(process, data, log)
        if ready:
            _wait_ready(made)
        yield made


def _wait_ready(made: Product) -> None:
    def said_so() -> bool:
        if made.process.poll() is not None:
            raise ChildProcessError(f"up ended with {made.process.returncode}: {made.output}")
        return "\nready" in made.output

    try:
        wait_until(said_so, READY_SECONDS, "ready")
    except TimeoutError as error:
        raise TimeoutError(f"up is not ready after {READY_SECONDS:g} s: {made.output}") from error
