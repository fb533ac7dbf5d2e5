"""What greylisting did, or in log-only mode would have done: counts that processes add to one document."""

import json
import math
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

WAIT_EDGES: Final = (
    15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0,
    5400.0, 7200.0, 10_800.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0,
)  # fmt: skip
"""Upper edges of the waits that are told apart, in seconds; one more for all above."""
_COUNTS: Final = ("checked", "deferred", "returned", "removed")


@dataclass(slots=True)
class Counts:
    """Recipients looked at, put off at first sight, of these come back, of these taken out by hand."""

    checked: int = 0
    deferred: int = 0
    returned: int = 0
    removed: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_EDGES) + 1))

    def __bool__(self) -> bool:
        """Say whether anything was counted."""
        return bool(self.checked or self.deferred or self.returned or self.removed)

    def came_back(self, wait: float) -> None:
        """Count one that came back after `wait` seconds."""
        self.returned += 1
        self.waits[bisect_left(WAIT_EDGES, wait)] += 1

    def plus(self, other: "Counts") -> "Counts":
        """Return both together."""
        return Counts(
            self.checked + other.checked,
            self.deferred + other.deferred,
            self.returned + other.returned,
            self.removed + other.removed,
            [a + b for a, b in zip(self.waits, other.waits, strict=True)],
        )

    def lost(self, pending: int) -> int:
        """Return how many never came back in time, where `pending` still may."""
        return max(0, self.deferred - self.returned - self.removed - pending)

    def median_wait(self) -> float:
        """Return the median wait of those that came back, within its edges by proportion; 0 for none."""
        total = sum(self.waits)
        if not total:
            return 0.0
        sums = list(accumulate(self.waits))
        at = next(i for i, reached in enumerate(sums) if 2 * reached >= total)
        if at == len(WAIT_EDGES):
            return WAIT_EDGES[-1]
        low = WAIT_EDGES[at - 1] if at else 0.0
        before = sums[at] - self.waits[at]
        return low + (WAIT_EDGES[at] - low) * (total / 2 - before) / self.waits[at]


def dump(counts: Counts) -> bytes:
    """Return the stored form."""
    document = {name: getattr(counts, name) for name in _COUNTS} | {"waits": counts.waits}
    return json.dumps(document, separators=(",", ":")).encode()


def load(data: bytes) -> Counts:
    """Return the counts in their stored form; raises ValueError for anything else."""
    document = json.loads(data)
    waits = document.get("waits") if isinstance(document, dict) else None
    if not isinstance(waits, list) or len(waits) != len(WAIT_EDGES) + 1:
        raise ValueError("not counts, or of other waits")
    counts = {name: _count(document.get(name)) for name in _COUNTS}
    return Counts(**counts, waits=[_count(n) for n in waits])


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("counts are whole numbers")
    return value


def log_only_until(first_start: float, log_only: bool, log_only_seconds: float) -> float:
    """Return until when nobody is deferred, seconds since the epoch; infinity where the policy says never."""
    return math.inf if log_only else first_start + log_only_seconds
