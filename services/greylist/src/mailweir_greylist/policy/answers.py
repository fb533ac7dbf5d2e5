"""What the ingress is told, and what is counted, of each recipient."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_greylist.policy.candidates import WORDS, Spared
from mailweir_greylist.policy.steps import WAITS, Found

CHECK: Final = "greylist"


class Lost(StrEnum):
    """Why the store gave no answer; mail passes then."""

    SLOW = "slow"
    UNAVAILABLE = "unavailable"
    CONTENDED = "contended"  # others wrote the same entry over and over


_LOST: Final = {
    Lost.SLOW: "passed: the store did not answer in time",
    Lost.UNAVAILABLE: "passed: the store does not answer",
    Lost.CONTENDED: "passed: the entry is written by others over and over",
}
_FOUND: Final = {
    Found.FIRST: "first seen",
    Found.EARLY: "came back too early",
    Found.LENGTHENED: "its content asks for a longer wait",
    Found.RETURNED: "came back in time",
    Found.AUTHORISED: "came back before",
}

Finding = Spared | Found | Lost


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for a recipient, and the seconds left where it has to wait."""

    finding: Finding
    wait: float = 0.0


def outcome_of(answer: Answer, text: str, *, log_only: bool) -> Outcome:
    """Return what the ingress is told; `text` is the policy's, seconds left are added to it.

    The detail of a deferral is what the client is told; every other one is for the record alone.
    """
    match answer.finding:
        case Spared() as why:
            return Outcome(CHECK, Status.SKIPPED, detail=WORDS[why])
        case Lost() as why:
            return Outcome(CHECK, Status.TEMPERROR, detail=_LOST[why])
    words = _FOUND[answer.finding]
    if answer.finding not in WAITS:
        return Outcome(CHECK, Status.OK, detail=words)
    if log_only:
        detail = f"{words}: would wait {seconds_left(answer.wait)} s, but is only logged"
        return Outcome(CHECK, Status.HIT, detail=detail)
    detail = f"{text}: {seconds_left(answer.wait)} seconds left"
    return Outcome(CHECK, Status.HIT, advice=Advice.DEFER, reason=Reason.GREYLISTED, detail=detail)


def seconds_left(wait: float) -> int:
    """Return whole seconds, rounded up: who waits that long does not come too early."""
    return max(1, math.ceil(wait))
