"""How long to wait before a process that died is started again, and when to give up."""

from dataclasses import dataclass
from typing import Final

FIRST_SECONDS: Final = 0.2
MOST_SECONDS: Final = 30.0
HEALTHY_SECONDS: Final = 60.0
"""A process that ran so long starts with a clean sheet."""
MOST_FAILED_STARTS: Final = 4
"""Starts in a row without having been ready once in this run; then it never will be."""


@dataclass(slots=True)
class Backoff:
    """The record of one process's ends."""

    failures: int = 0
    was_ready: bool = False

    def died(self, ran_seconds: float) -> float:
        """Note an end; returns the seconds to wait before the next start."""
        if self.was_ready and ran_seconds >= HEALTHY_SECONDS:
            self.failures = 0
        self.failures += 1
        # capped before the power, or a process that dies for days would reach infinity
        return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures - 1, 16))

    @property
    def hopeless(self) -> bool:
        """Say whether trying again makes no sense. What was ready once is tried for ever."""
        return not self.was_ready and self.failures >= MOST_FAILED_STARTS
