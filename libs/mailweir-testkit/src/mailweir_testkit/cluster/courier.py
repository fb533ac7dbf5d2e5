"""Sends letters from the host outside, from addresses of one's choice; brings back what became of them.

Here: `send(cluster, plan, letters, directory)` waits for the end, `sending(…)` runs beside the test. There,
as a process of its own: `python -m mailweir_testkit.cluster.courier JOB RESULT`, both files of JSON.
"""

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import Popen
from tempfile import mkdtemp
from typing import Any

from mailweir_testkit.cluster.tool import PYTHON, Cluster
from mailweir_testkit.load import Fate, Letter, Plan, deliver

_SPARE_SECONDS = 60.0
"""What a courier gets beyond the time after which it gives its letters up."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the letters, in order, and how often connections broke, by what was said."""

    fates: list[Fate]
    troubles: Counter[str]


class Sending:
    """A courier on its way."""

    def __init__(
        self, process: "Popen[bytes]", plan: Plan, letters: Sequence[Letter], folder: Path
    ) -> None:
        """Use `sending`."""
        self._process = process
        self._plan = plan
        self._letters = letters
        self._folder = folder

    @property
    def over(self) -> bool:
        """Say whether it has come back."""
        return self._process.poll() is not None

    def result(self) -> Sent:
        """Wait until it is back; raises ChildProcessError with its output where it failed."""
        code = self._process.wait(self._plan.give_up_seconds + _SPARE_SECONDS)
        if code != 0:
            raise ChildProcessError(f"courier: exit {code}: {(self._folder / 'log').read_text()}")
        return _read(self._folder / "result", self._letters)


@contextmanager
def sending(
    cluster: Cluster, plan: Plan, letters: Sequence[Letter], directory: Path
) -> Iterator[Sending]:
    """Send letters from outside while the block runs. `plan.until` is not taken along."""
    folder = Path(mkdtemp(prefix="courier-", dir=directory))
    job, result = folder / "job", folder / "result"
    job.write_text(_job(plan, letters))
    command = (PYTHON, "-m", "mailweir_testkit.cluster.courier", str(job), str(result))
    with cluster.process("outside", *command, log=folder / "log") as process:
        yield Sending(process, plan, letters, folder)


def send(cluster: Cluster, plan: Plan, letters: Sequence[Letter], directory: Path) -> Sent:
    """Send letters from outside; returns when all are taken, refused or given up."""
    with sending(cluster, plan, letters, directory) as courier:
        return courier.result()


def _job(plan: Plan, letters: Sequence[Letter]) -> str:
    fields = {name: getattr(plan, name) for name in Plan.__slots__ if name != "until"}
    contents: dict[bytes, int] = {}
    rows = [
        (each.name, each.sender, each.recipients, contents.setdefault(each.content, len(contents)))
        for each in letters
    ]
    bodies = [base64.b64encode(content).decode() for content in contents]
    return json.dumps({"plan": fields, "contents": bodies, "letters": rows})


def _load(job: dict[str, Any]) -> tuple[Plan, list[Letter]]:
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in job["plan"].items()
    }
    contents = [base64.b64decode(body) for body in job["contents"]]
    letters = [
        Letter(name, sender, tuple(recipients), contents[number])
        for name, sender, recipients, number in job["letters"]
    ]
    return Plan(**fields), letters


def _read(result: Path, letters: Sequence[Letter]) -> Sent:
    document = json.loads(result.read_text())
    fates = [Fate(letter, **row) for letter, row in zip(letters, document["fates"], strict=True)]
    return Sent(fates, Counter(document["troubles"]))


def main() -> None:
    """Run as a process."""
    plan, letters = _load(json.loads(Path(sys.argv[1]).read_text()))
    troubles: Counter[str] = Counter()
    fates = asyncio.run(deliver(plan, letters, troubles))
    rows = [{k: v for k, v in asdict(fate).items() if k != "letter"} for fate in fates]
    document = {"fates": rows, "troubles": troubles, "ended": time.monotonic()}
    Path(sys.argv[2]).write_text(json.dumps(document))


if __name__ == "__main__":
    main()
