"""A count over a window that slides, with the latest samples of what was counted."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MARKS: Final = 64
"""Up to so many are counted exactly; more in steps of a 64th of the window, for at most a step too long."""
SAMPLES: Final = 4
MAX_SAMPLE: Final = 64
MAX_COUNT: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Mark:
    """So many at a time, seconds since the epoch."""

    at: float
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted within the window, oldest first; `samples` are the latest, each once."""

    marks: tuple[Mark, ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Return how many there are."""
        return sum(mark.count for mark in self.marks)

    @property
    def since(self) -> float:
        """Return when the first of them was, to a step; 0 where there is none."""
        return self.marks[0].at if self.marks else 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """So many within so many seconds."""

    count: int
    seconds: float


def add(tally: Tally, count: int, samples: Sequence[str], window: Window, now: float) -> Tally:
    """Return the tally with `count` more of them now, without what the window has left behind."""
    step = window.seconds / MARKS if window.count > MARKS else 0.0
    at = (math.floor(now / step) + 1) * step if step else now
    # a mark from the future is of a process whose clock is ahead: it counts as of now
    marks = [Mark(min(mark.at, at), mark.count) for mark in tally.marks]
    marks = [mark for mark in marks if mark.at > now - window.seconds]
    count = max(0, min(count, MAX_COUNT))
    if marks and (marks[-1].at == at or len(marks) > MARKS):
        marks[-1] = Mark(at, min(marks[-1].count + count, MAX_COUNT))
    elif count:
        marks.append(Mark(at, count))
    return Tally(tuple(marks), merged(tally.samples, samples))


def merged(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Return the latest samples, each once and shortened."""
    texts = (text[:MAX_SAMPLE] for text in (*old, *new) if text)
    latest = list(dict.fromkeys(texts))
    return tuple(latest[-SAMPLES:])


def dump_tally(tally: Tally) -> bytes:
    """Return the stored form."""
    marks = [[round(mark.at, 3), mark.count] for mark in tally.marks]
    return json.dumps({"m": marks, "s": list(tally.samples)}, separators=(",", ":")).encode()


def load_tally(data: bytes) -> Tally:
    """Return the tally in its stored form; raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    marks, samples = document.get("m"), document.get("s")
    if not isinstance(marks, list) or not isinstance(samples, list):
        raise ValueError("m and s must be lists")
    return Tally(tuple(_mark(mark) for mark in marks), tuple(map(str, samples[-SAMPLES:])))


def _mark(value: object) -> Mark:
    match value:
        case [int() | float() as at, int() as count] if (
            math.isfinite(at) and 0 <= count <= MAX_COUNT
        ):
            return Mark(float(at), count)
    raise ValueError("a mark is a time and a count")


def tally_of(value: bytes | None) -> Tally:
    """Return what was counted so far; nothing where that cannot be read."""
    try:
        return Tally() if value is None else load_tally(value)
    except ValueError:
        return Tally()  # a count that is lost bans nobody
