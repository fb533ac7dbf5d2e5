"""The log of a flood: what came, what became of it, how many pods there were; by windows of ten seconds."""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from mailweir_testkit.cluster.botnet import Row
from mailweir_testkit.cluster.release import Release
from mailweir_testkit.cluster.tool import CommandFailed

LOOK_SECONDS: Final = 3.0
WINDOW_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds. Rates are a second; times in seconds; `None` where nothing was measured.

    `came`: bots. `taken`: bots whose last mail was taken. `later`: bots that were told 421 or 4xx. `refused`:
    5xx. `broken`: no reply. `good_p50`, `good_p95`: from the first try of a good sender's mail to its 250.
    """

    at: float
    came: float
    taken: float
    later: float
    refused: float
    broken: float
    good: float
    good_p50: float | None
    good_p95: float | None
    ready: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Log:
    """A whole run. Times are seconds since its beginning; `flood` and `idle` are spans of it."""

    title: str
    idle: tuple[float, float]
    flood: tuple[float, float]
    idle_p95: float
    flood_p95: float
    windows: Sequence[Window]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Log:
    """Read what `Log.write` wrote."""
    document: dict[str, Any] = json.loads(path.read_text())
    document["windows"] = [Window(**row) for row in document["windows"]]
    document["idle"], document["flood"] = tuple(document["idle"]), tuple(document["flood"])
    return Log(**document)


@dataclass
class Pods:
    """How many pods of each Deployment were ready, and when."""

    looks: list[tuple[float, Mapping[str, int]]] = field(default_factory=list)

    def at(self, moment: float) -> Mapping[str, int]:
        """Return what was seen last before a moment, or first of all."""
        before = [seen for at, seen in self.looks if at <= moment]
        return before[-1] if before else (self.looks[0][1] if self.looks else {})

    def most(self, service: str) -> int:
        """Return the most that were seen at once."""
        return max((seen.get(service, 0) for _, seen in self.looks), default=0)

    def now(self, service: str) -> int:
        """Return what was seen last."""
        return self.looks[-1][1].get(service, 0) if self.looks else 0


@contextmanager
def watched(release: Release, services: Sequence[str]) -> Iterator[Pods]:
    """Look at the release's Deployments every few seconds while the block lasts."""
    pods, over = Pods(), threading.Event()

    def look() -> None:
        while not over.is_set():
            with suppress(CommandFailed):  # the next look is soon
                pods.looks.append((time.monotonic(), ready(release, services)))
            over.wait(LOOK_SECONDS)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield pods
    finally:
        over.set()
        thread.join()


def ready(release: Release, services: Sequence[str]) -> dict[str, int]:
    """Return the ready pods of each Deployment, by service."""
    names = {release.object(service): service for service in services}
    found = release.cluster.objects("deployments", "-n", release.namespace)
    return {
        names[each["metadata"]["name"]]: int(each["status"].get("readyReplicas", 0))
        for each in found
        if each["metadata"]["name"] in names
    }


def p95(took: Sequence[float]) -> float:
    """Return the 95th percentile; of fewer than two, the longest."""
    return statistics.quantiles(took, n=20)[18] if len(took) > 1 else max(took, default=0.0)


def within(rows: Sequence[Row], span: tuple[float, float]) -> list[Row]:
    """Return the rows that fell due in a span."""
    return [row for row in rows if span[0] <= row.at < span[1]]


def windows(
    bots: Sequence[Row], good: Sequence[Row], pods: Pods, start: float, end: float
) -> list[Window]:
    """Return the windows from start to end, which are monotonic seconds; theirs are since the start."""
    found = []
    at = start
    while at < end:
        span = (at, at + WINDOW_SECONDS)
        found.append(_window(within(bots, span), within(good, span), pods, at, start))
        at += WINDOW_SECONDS
    return found


def _window(
    bots: Sequence[Row], good: Sequence[Row], pods: Pods, at: float, start: float
) -> Window:
    told = Counter(row.told[:1] for row in bots)
    taken = sum(row.taken for row in bots)
    took = [row.took for row in good if row.taken]

    def rate(count: int) -> float:
        return round(count / WINDOW_SECONDS, 2)

    return Window(
        at=round(at - start, 1),
        came=rate(len(bots)),
        taken=rate(taken),
        later=rate(told["4"]),
        refused=rate(told["5"]),
        broken=rate(sum(count for digit, count in told.items() if digit not in "2345")),
        good=rate(len(took)),
        good_p50=round(statistics.median(took), 4) if took else None,
        good_p95=round(p95(took), 4) if took else None,
        ready=pods.at(at + WINDOW_SECONDS / 2),
    )
