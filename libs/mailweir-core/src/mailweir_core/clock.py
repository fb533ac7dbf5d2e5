"""The one place that asks what time it is; everything else is given a `Clock` or a `now`."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations and deadlines."""

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return a time in seconds that never goes back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        return time.time()  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that tests move by hand."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        """Begin at `start` (seconds since the epoch)."""
        self._now = start
        self._mono = 0.0

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._mono

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += seconds
        self._mono += seconds


def rfc3339(timestamp: float) -> str:
    """Return `timestamp` (seconds since the epoch) as RFC 3339 in UTC with milliseconds."""
    text = datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
