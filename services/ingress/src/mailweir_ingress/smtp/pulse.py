"""Whether a session has kept its peer or us waiting for too long."""

from typing import Final

from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.phases import defer
from mailweir_policy import SessionLimits

RATE_GRACE_SECONDS: Final = 10.0
"""So long data may come at any rate."""

TIMEOUT: Final = defer(Reason.TIMEOUT, 421, "4.4.2", "Timeout, closing", close=True)
TOO_SLOW: Final = defer(Reason.TOO_SLOW, 421, "4.4.2", "Data came too slowly", close=True)
TOO_LONG: Final = defer(
    Reason.SESSION_TOO_LONG, 421, "4.4.2", "This session has lasted too long", close=True
)


class Pulse:
    """Since when a session waits for its peer. Times are of the monotonic clock; 0 means that it does not."""

    __slots__ = ("data_since", "received", "waiting_since")

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self.waiting_since = 0.0
        self.data_since = 0.0
        self.received = 0

    def overdue(self, now: float, limits: SessionLimits) -> Decision | None:
        """Return how the session ends, or None where it may go on."""
        if not self.waiting_since:
            return None
        if now - self.waiting_since > limits.idle_seconds:
            return TIMEOUT
        if self.data_since and limits.minimum_data_rate:
            seconds = now - self.data_since
            if seconds > RATE_GRACE_SECONDS and self.received < limits.minimum_data_rate * seconds:
                return TOO_SLOW
        return None
