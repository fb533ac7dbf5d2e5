"""How much time is left: a point on the monotonic clock that a request carries through its phases."""

from dataclasses import dataclass

from mailweir_core.clock import Clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """Return the moment `seconds` from now."""
        return cls(clock.monotonic() + seconds)

    def remaining(self, clock: Clock) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self.at - clock.monotonic())

    def child(self, clock: Clock, seconds: float) -> "Deadline":
        """Return the deadline of a part: `seconds` from now, but never later than this one."""
        return Deadline(min(self.at, clock.monotonic() + seconds))
