"""Who waits too long."""

import pytest

from mailweir_core.reasons import Reason
from mailweir_ingress.smtp.pulse import RATE_GRACE_SECONDS, Pulse
from mailweir_policy import SessionLimits

LIMITS = SessionLimits(idle_seconds=60, minimum_data_rate=500)


def a_pulse(waiting: float = 0, data: float = 0, received: int = 0) -> Pulse:
    """Return a pulse."""
    pulse = Pulse()
    pulse.waiting_since, pulse.data_since, pulse.received = waiting, data, received
    return pulse


@pytest.mark.parametrize(
    ("pulse", "now", "reason"),
    [
        (a_pulse(), 1e9, None),
        (a_pulse(waiting=100), 160, None),
        (a_pulse(waiting=100), 160.1, Reason.TIMEOUT),
        (a_pulse(waiting=100, data=100), 100 + RATE_GRACE_SECONDS, None),
        (a_pulse(waiting=110, data=100), 111, Reason.TOO_SLOW),
        (a_pulse(waiting=110, data=100, received=5499), 111, Reason.TOO_SLOW),
        (a_pulse(waiting=110, data=100, received=5500), 111, None),
        # we are busy with it, so it is not the client's fault
        (a_pulse(data=100), 1e6, None),
    ],
)
def test_overdue(pulse: Pulse, now: float, reason: Reason | None) -> None:
    decision = pulse.overdue(now, LIMITS)
    assert (decision and decision.reason) == reason
    if decision is not None:
        assert (decision.reply.code, decision.reply.enhanced) == (421, "4.4.2")
        assert decision.close


def test_without_a_minimum_rate_data_may_trickle() -> None:
    limits = SessionLimits(idle_seconds=60, minimum_data_rate=0)
    assert a_pulse(waiting=1000, data=1).overdue(1001, limits) is None
