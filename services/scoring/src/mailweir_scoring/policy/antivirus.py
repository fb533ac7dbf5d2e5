"""The stage `antivirus`: the whole message goes to a scanner; what it finds is no matter of scores."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.decision import Action
from mailweir_policy import OnInfected
from mailweir_scoring.policy.facts import Facts, Found, Hit

SYMBOLS: Final = frozenset({"VIRUS_FOUND"})
_ACTIONS: Final = {OnInfected.REJECT: Action.REJECT, OnInfected.HOLD: Action.HOLD}


class ScanStatus(StrEnum):
    """How a scan ended."""

    CLEAN = "clean"
    INFECTED = "infected"
    TEMPERROR = "temperror"  # nothing is known about the message


@dataclass(frozen=True, slots=True)
class ScanQuestion:
    """Asks about a message, its first `max_bytes` octets, within `seconds`."""

    raw: bytes = field(repr=False)
    max_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ScanAnswer:
    """What the scanner says: the name of what it found, or what failed; `partial`: only the beginning."""

    status: ScanStatus
    name: str = ""
    detail: str = ""
    partial: bool = False


def antivirus(facts: Facts) -> Asking[Found]:
    """Have the message scanned; where the scanner gives no answer the stage fails, by its policy."""
    policy = facts.policy.antivirus
    if not policy.enabled:
        return Found()
    question = ScanQuestion(facts.message.raw, policy.max_bytes, policy.timeout_seconds)
    (answer,) = yield (question,)
    if answer.status is ScanStatus.TEMPERROR:
        return Found(failure=answer.detail)
    if answer.status is ScanStatus.CLEAN:
        return Found()
    return Found((Hit("VIRUS_FOUND", answer.name, least=_ACTIONS[policy.on_infected]),))
