"""The cluster tool: a program that starts a one-node Kubernetes, builds images, runs commands there.

`Cluster` wraps it. A failed command raises `CommandFailed` with what it wrote. Commands of `inside` and
`outside` see this machine's files and differ in their network alone, so files and unix sockets cross.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mailweir_testkit.processes import child

OUTSIDE_HOST: Final = "198.18.0.2"
"""The host outside the cluster: sinks listen here."""
NODE: Final = "198.18.0.1"
SERVICES: Final = (
    "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
)  # fmt: skip
READY_IMAGES: Final = ("nats", "postgres", "prometheus")
PYTHON: Final = sys.executable
COMMAND_SECONDS: Final = 300.0
BUILD_SECONDS: Final = 900.0


class CommandFailed(Exception):
    """Raised when a command of the tool ended with another code than 0."""


def source(number: int) -> str:
    """Return a client address outside the cluster, one for each number from 0 to 31,999."""
    return f"198.18.{128 + number // 250}.{1 + number % 250}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The running cluster, by its tool."""

    program: Path
    root: Path
    """The repository."""

    def run(
        self,
        *arguments: str,
        data: str | None = None,
        seconds: float = COMMAND_SECONDS,
        check: bool = True,
    ) -> str:
        """Run a command of the tool; returns its standard output. `data`: its standard input."""
        done = subprocess.run(
            [str(self.program), *arguments],
            input=data,
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=self.root,
            check=False,
        )
        if check and done.returncode != 0:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
            raise CommandFailed(f"{' '.join(arguments[:6])}: exit {done.returncode}\n{said}")
        return done.stdout

    def kubectl(self, *arguments: str, data: str | None = None, check: bool = True) -> str:
        """Run kubectl."""
        return self.run("kubectl", *arguments, data=data, check=check)

    def objects(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind (`pods`, …), decoded; `arguments` as for kubectl get."""
        found = json.loads(self.kubectl("get", kind, "-o", "json", *arguments))
        return list(found["items"]) if "items" in found else [found]

    def apply(self, manifest: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Apply one object or several."""
        items = [manifest] if isinstance(manifest, Mapping) else list(manifest)
        document = {"apiVersion": "v1", "kind": "List", "items": items}
        self.kubectl("apply", "-f", "-", data=json.dumps(document))

    def helm(self, *arguments: str, data: str | None = None, check: bool = True) -> str:
        """Run helm."""
        return self.run("helm", *arguments, data=data, seconds=BUILD_SECONDS, check=check)

    def inside(self, *command: str, data: str | None = None, seconds: float = 60.0) -> str:
        """Run a command in the node's network, with the cluster's names; returns its output."""
        return self.run("exec", "--", *command, data=data, seconds=seconds)

    def outside(self, *command: str, data: str | None = None, seconds: float = 60.0) -> str:
        """Run a command on the host outside; it may bind to every `source(n)`; returns its output."""
        return self.run("outside", "--", *command, data=data, seconds=seconds)

    @contextmanager
    def process(self, where: str, *command: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a command in the background; `where`: `exec`, `outside`, `node` or `kubectl`."""
        mark = () if where == "kubectl" else ("--",)  # kubectl would take it for its own
        with child([str(self.program), where, *mark, *command], log=log, cwd=self.root) as process:
            yield process

    def fetch(self, url: str, seconds: float = 10.0) -> str:
        """Return what a URL inside the cluster answers (`http://<pod's address>:9100/metrics`, …)."""
        return self.inside("curl", "-sSf", "--max-time", str(seconds), url)

    def up(self) -> None:
        """Start it; does nothing where it runs."""
        self.run("up", seconds=1800)

    def ready_images(self, *names: str) -> None:
        """Make and load images of other programs."""
        self.run("images", *(names or READY_IMAGES), seconds=BUILD_SECONDS)

    def build(self, service: str, tag: str, version: str = "") -> None:
        """Build a service's image and load it; another `version` makes another image of the same code."""
        arguments = [
            "build",
            "-t",
            f"mailweir/{service}:{tag}",
            "-f",
            f"services/{service}/Dockerfile",
        ]
        if version:
            arguments += ["--build-arg", f"VERSION={version}"]
        self.run(*arguments, ".", seconds=BUILD_SECONDS)

    def image_sizes(self) -> dict[str, str]:
        """Return the sizes of our images that the node has, by name and tag; layers are not packed there."""
        lines = self.run("node", "--", "ctr", "-n", "k8s.io", "images", "ls").splitlines()[1:]
        found = {}
        for words in map(str.split, lines):
            if words and words[0].startswith("docker.io/mailweir/"):
                found[words[0].removeprefix("docker.io/")] = " ".join(words[3:5])
        return found


def find(root: Path) -> Cluster:
    """Return the tool that CLUSTER names, or the one beside the repository; raises FileNotFoundError."""
    named = os.environ.get("CLUSTER", "")  # noqa: TID251 - which tool, as make passes it
    program = Path(named) if named else root.parent / "shared" / "cluster" / "cluster"
    program = program if program.is_absolute() else root / program
    if not os.access(program, os.X_OK):
        raise FileNotFoundError(f"no cluster tool at {program}: set CLUSTER to its path")
    return Cluster(program, root)
