"""What a run measured, as tables at its end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailweir_testkit.cluster.release import Release

Row = Sequence[object]


@dataclass
class Figures:
    """Tables by title; a later one of the same title takes the place of the first."""

    tables: dict[str, tuple[Row, list[Row]]] = field(default_factory=dict)

    def add(self, title: str, heading: Row, rows: Iterable[Row]) -> None:
        """Note a table, to be printed when all tests have run."""
        self.tables[title] = (heading, list(rows))

    def __str__(self) -> str:
        """Return all tables as Markdown."""
        parts = []
        for title, (heading, rows) in self.tables.items():
            lines = [heading, ["---"] * len(heading), *rows]
            parts.append(f"{title}\n\n" + "\n".join(_line(line) for line in lines))
        return "\n\n".join(parts)


def _line(cells: Row) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def memory(release: Release) -> dict[str, int]:
    """Return MiB of memory by pod, as the metrics server measured it last (every 10 s)."""
    label = f"app.kubernetes.io/instance={release.name}"
    lines = release.kubectl("top", "pods", "-l", label, "--no-headers").splitlines()
    return {words[0]: int(words[2].removesuffix("Mi")) for words in map(str.split, lines)}


def start_to_ready(pod: Mapping[str, Any]) -> float:
    """Return the seconds from the start of a pod's container until the pod was ready, to the second."""
    started = max(s["state"]["running"]["startedAt"] for s in pod["status"]["containerStatuses"])
    (ready,) = (c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    span = datetime.fromisoformat(ready["lastTransitionTime"]) - datetime.fromisoformat(started)
    return span.total_seconds()


def component(pod: Mapping[str, Any]) -> str:
    """Return which service a pod is of."""
    return str(pod["metadata"]["labels"].get("app.kubernetes.io/component", ""))


def cpu_seconds(release: Release) -> dict[str, float]:
    """Return the CPU seconds that each service's present pods have used since their start."""
    found: dict[str, float] = {}
    for pod in release.pods():
        for line in _metrics(release, pod):
            if line.startswith("process_cpu_seconds_total"):
                found[component(pod)] = found.get(component(pod), 0.0) + float(line.split()[1])
    return found


def _metrics(release: Release, pod: Mapping[str, Any]) -> Sequence[str]:
    """Return the lines of a pod that has metrics of ours."""
    if component(pod) in ("nats", "postgres", ""):
        return ()
    return release.metrics(pod).splitlines()
