"""What a supervised process is doing, as values for tables and lines."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a process stands. The middle four are what its /readyz says."""

    WAITING = "waiting"  # not started yet
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    BACKOFF = "backoff"  # it died and is started again after a pause
    STOPPED = "stopped"
    FAILED = "failed"  # given up


@dataclass(frozen=True, slots=True)
class Status:
    """A process at one moment."""

    name: str
    phase: Phase
    pid: int
    restarts: int
    listens: str
    detail: str

    @property
    def serving(self) -> bool:
        """Say whether it does its work."""
        return self.phase in (Phase.READY, Phase.DEGRADED)
