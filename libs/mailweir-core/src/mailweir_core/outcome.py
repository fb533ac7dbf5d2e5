"""The one shape that every check answers in."""

from dataclasses import dataclass
from enum import StrEnum

from mailweir_core.reasons import Reason


class Status(StrEnum):
    """How a check ended. A failure is a value here, never an exception."""

    OK = "ok"  # it ran and found nothing against the client or the message
    HIT = "hit"  # it ran and found something
    TEMPERROR = "temperror"  # it could not find out; the policy's table says what follows
    SKIPPED = "skipped"  # it did not run: absent, switched off, exempt or shed


class Advice(StrEnum):
    """What a check would do if it were asked alone; `decide()` weighs it."""

    NONE = "none"
    ALLOW = "allow"
    HOLD = "hold"  # take it, and keep it back
    DEFER = "defer"
    REJECT = "reject"
    CLOSE = "close"  # reject and end the session


@dataclass(frozen=True, slots=True)
class Signal:
    """One named finding with its weight. `evidence` is a short excerpt, never a secret."""

    name: str
    score: float
    group: str
    description: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question asked of the outside and its answer, kept so that a verdict can be replayed."""

    kind: str
    question: str
    answer: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check says: its name, how it ended, what it found."""

    check: str
    status: Status
    signals: tuple[Signal, ...] = ()
    advice: Advice = Advice.NONE
    reason: Reason | None = None
    detail: str = ""
    lookups: tuple[Lookup, ...] = ()
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """Return the sum of the signals' scores."""
        return sum(s.score for s in self.signals)
