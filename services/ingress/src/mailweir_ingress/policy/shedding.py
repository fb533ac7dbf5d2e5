"""Whom to turn away while there is more to do than can be done: strangers, as many of them as needed."""

from dataclasses import dataclass
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.phases import defer
from mailweir_ingress.policy.rules import Rules

BUSY: Final = defer(Reason.OVERLOADED, 421, "4.3.2", "Too busy now, please come again", close=True)
"""What strangers are told at connect, and at a further MAIL of a session."""

LEAST_SHARE: Final = 0.02
"""So many of the strangers are let in at the worst: what they meet shows whether it has become better."""
CUT: Final = 0.9
"""What a measurement over the limit leaves of the share that is let in."""
GROWTH: Final = 0.01
"""What one below the limit adds to it: the way back is slower, or the load would swing."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is to do. Times are means of the last second or so; shares are from 0 to 1.

    `lag_seconds`: how late the process is with what is due; `answer_seconds`: from the end of a message to
    its answer.
    """

    lag_seconds: float = 0.0
    answer_seconds: float = 0.0
    sessions_share: float = 0.0
    memory_share: float = 0.0


def pressure(load: Load, rules: Rules) -> float:
    """Return the load as a part of what the policy allows; above 1 it is too much."""
    limits = rules.policy.session.shedding
    if not limits.enabled:
        return 0.0
    return max(
        load.lag_seconds / limits.lag_seconds,
        load.answer_seconds / limits.answer_seconds,
        load.sessions_share / limits.share,
        load.memory_share / limits.share,
    )


def is_stranger(client: ClientFacts, *, trusted: bool) -> bool:
    """Say whether nobody vouches for a client: not its past, not a list, not the administrator."""
    return not (trusted or client.known or client.allowed)


class Admission:
    """Which part of the strangers is let in: cut fast while there is too much to do, and grown again slowly.

    Who is let in is counted out, not drawn: of ten at a share of 0.3, three are.
    """

    __slots__ = ("_credit", "share")

    def __init__(self) -> None:
        """Begin with all of them let in."""
        self.share = 1.0
        self._credit = 0.0

    def measured(self, pressed: float) -> None:
        """Take a measurement of the pressure in."""
        if pressed > 1.0:
            self.share = max(LEAST_SHARE, self.share * CUT)
        else:
            self.share = min(1.0, self.share + GROWTH)

    def lets_in(self) -> bool:
        """Say whether the next stranger is let in."""
        if self.share >= 1.0:
            return True
        self._credit += self.share
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
