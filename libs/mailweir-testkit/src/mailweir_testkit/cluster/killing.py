"""Kills pods one after the other, kind by kind, and sees how long each kind takes to be back.

A kind is a service, `nats` or `postgres`. A kind is back when it has as many ready pods as before, the killed
one not among them. The order is drawn, with each kind once in a round: none is spared by chance.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

LOOK_SECONDS: Final = 1.0
Pod = Mapping[str, Any]


@dataclass(slots=True)
class Kill:
    """One killed pod; `back` is the seconds until its kind was whole again, or None where it was not seen."""

    kind: str
    pod: str
    at: float
    back: float | None = None


def kind_of(pod: Pod) -> str:
    """Return which kind a pod is of; empty for a test's or a job's."""
    labels = pod["metadata"].get("labels", {})
    return str(labels.get("app.kubernetes.io/component") or labels.get("app") or "")


def is_ready(pod: Pod) -> bool:
    """Say whether a pod is ready and not about to end."""
    conditions = pod["status"].get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def ready_by_kind(pods: Sequence[Pod], kinds: Sequence[str]) -> dict[str, list[Pod]]:
    """Return the ready pods of each kind."""
    found: dict[str, list[Pod]] = {kind: [] for kind in kinds}
    for pod in pods:
        kind = kind_of(pod)
        if kind in found and is_ready(pod):
            found[kind].append(pod)
    return found


def order(kinds: Sequence[str], seed: int) -> Iterator[str]:
    """Return kinds for ever, each once in a round."""
    chance = random.Random(seed)  # noqa: S311 - an order that comes out the same each time
    while True:
        yield from chance.sample(kinds, len(kinds))


@dataclass
class Killing:
    """A run of kills. `pods` returns all pods, `delete` kills one by its name."""

    pods: Callable[[], Sequence[Pod]]
    delete: Callable[[str], object]
    kinds: Sequence[str]
    seed: int = 1
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    kills: list[Kill] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)

    def run(self, seconds: float, every: float) -> list[Kill]:
        """Kill one every so many seconds, then wait for as long until all are back; returns the kills."""
        start = self.clock()
        self.whole = {k: len(p) for k, p in ready_by_kind(self.pods(), self.kinds).items()}
        missing = [kind for kind, count in self.whole.items() if not count]
        if missing:
            raise LookupError(f"no pod is ready of {', '.join(missing)}")
        turn, due = order(self.kinds, self.seed), start + every
        while self.clock() < start + seconds:
            self.look()
            if self.clock() >= due:
                due += every
                self.kill(next(turn))
            self.pause(LOOK_SECONDS)
        end = self.clock() + seconds
        while any(kill.back is None for kill in self.kills) and self.clock() < end:
            self.look()
            self.pause(LOOK_SECONDS)
        return self.kills

    def kill(self, kind: str) -> None:
        """Kill the pod of a kind that has been there longest; one that is down already is left alone."""
        ready = ready_by_kind(self.pods(), self.kinds)[kind]
        if not ready:
            return
        name = min(ready, key=lambda pod: pod["metadata"]["creationTimestamp"])["metadata"]["name"]
        self.kills.append(Kill(kind, name, self.clock()))
        self.delete(name)

    def look(self) -> None:
        """See which kinds are back."""
        if all(kill.back is not None for kill in self.kills):
            return
        ready = ready_by_kind(self.pods(), self.kinds)
        now = self.clock()
        for kill in self.kills:
            if kill.back is None and len(ready[kill.kind]) >= self.whole[kill.kind]:
                kill.back = now - kill.at


def longest_gap(moments: Sequence[float], start: float, end: float) -> float:
    """Return the longest time between two moments that touches a span, its ends being moments too."""
    inside = [start, *sorted(m for m in moments if start < m < end), end]
    return max(later - earlier for earlier, later in pairwise(inside))
