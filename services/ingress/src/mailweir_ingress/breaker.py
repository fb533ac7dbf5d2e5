"""A service that keeps failing is not waited for again at once: every session would pay its whole budget."""

from typing import Final

from mailweir_core.clock import Clock

FAILURES: Final = 3
"""So many failures in a row, and the service gets a rest."""
REST_SECONDS: Final = 5.0
"""After this long one question tries whether it is back."""


class Breaker:
    """Counts the failures of one service; times are the clock's monotonic ones."""

    __slots__ = ("_clock", "_failures", "_until")

    def __init__(self, clock: Clock) -> None:
        """Begin with a service that is taken to be well."""
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    @property
    def asks(self) -> bool:
        """Say whether to ask now; after a rest the first who looks may, to try whether it is back."""
        if self._failures < FAILURES:
            return True
        now = self._clock.monotonic()
        if now < self._until:
            return False
        self._until = now + REST_SECONDS
        return True

    def answered(self) -> None:
        """Take note that it answered."""
        self._failures = 0

    def failed(self) -> bool:
        """Take note that it did not; returns True where a rest begins with that."""
        self._failures += 1
        if self._failures < FAILURES:
            return False
        self._until = self._clock.monotonic() + REST_SECONDS
        return self._failures == FAILURES
