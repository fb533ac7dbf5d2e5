"""What the edge's services say, weighed by the policy into one decision for each phase of a session."""

from dataclasses import dataclass

from mailweir_core.client import ClientFacts
from mailweir_core.decision import Decision
from mailweir_core.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Screened:
    """What the edge says of a client that has connected.

    `decision` None lets it in; else its reply is the only banner that the client gets. The answer may be
    remembered for the client for `valid_seconds`; 0 is not at all.
    """

    decision: Decision | None
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()
    valid_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SenderFound:
    """What the edge says at MAIL; `decision` None lets the transaction begin."""

    decision: Decision | None
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipientFound:
    """What the edge says of one recipient; `decision` None takes it.

    `spared` recipients are not greylisted: the sender is known to them.
    """

    decision: Decision | None
    outcomes: tuple[Outcome, ...] = ()
    spared: bool = False
