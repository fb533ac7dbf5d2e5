"""One question about a client or a message, and the answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.outcome import Outcome
from mailweir_core.record import Session


class Phase(StrEnum):
    """How far the session has come."""

    CONNECT = "connect"
    RCPT = "recipient"
    MESSAGE = "message"


UNKNOWN: Final = ClientFacts()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `session.auth_user` makes it outbound; `size` in bytes."""

    phase: Phase
    session: Session
    client: ClientFacts = UNKNOWN
    sender: str = ""
    recipients: tuple[str, ...] = ()
    ref: str = ""
    size: int = 0
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What holds for the client or message; at RCPT also for each recipient, in order."""

    outcome: Outcome
    recipients: tuple[Outcome, ...] = ()
