"""How many transactions a destination gets at once, and when it is left alone (a value, carried on).

Grows by one with each success up to the policy's limit, falls to one with each failure of a host, and after
some failures in a row the destination is suspended: its mail is deferred without an attempt.
"""

from dataclasses import dataclass, replace
from typing import Final

FIRST_SIZE: Final = 5
SUSPEND_AFTER: Final = 3
LONGEST_SUSPENSION_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """`size` transactions at once; `faults` failures in a row; suspended until a monotonic time."""

    size: int = FIRST_SIZE
    faults: int = 0
    suspended_until: float = 0.0

    def room(self, in_use: int, limit: int) -> bool:
        """Say whether one more transaction may begin beside `in_use` others."""
        return in_use < min(self.size, limit)

    def suspended(self, now: float) -> bool:
        """Say whether the destination is left alone."""
        return now < self.suspended_until


def after_success(window: Window, limit: int) -> Window:
    """Return the window after the destination took or refused a message as it should."""
    return Window(size=min(window.size + 1, limit))


def after_fault(window: Window, now: float, first_wait: float) -> Window:
    """Return the window after no host of the destination could be spoken with to the end.

    `first_wait`: seconds until a message's first retry; a suspension never outlasts it.
    """
    faults = window.faults + 1
    if faults < SUSPEND_AFTER:
        return replace(window, size=1, faults=faults)
    until = now + min(first_wait, LONGEST_SUSPENSION_SECONDS)
    return Window(size=1, faults=faults, suspended_until=until)
