"""What is asked: one transaction, before its data or after."""

from dataclasses import dataclass

from mailweir_core.client import ClientFacts
from mailweir_core.record import Session


@dataclass(frozen=True, slots=True)
class Question:
    """May these recipients be sent to now? `score` is the content's, None before the data."""

    session: Session
    client: ClientFacts
    sender: str
    recipients: tuple[str, ...]
    score: float | None = None

    @property
    def weight(self) -> float:
        """Return what scales the wait: suspicion or score, whichever is more."""
        return max(self.client.suspicion, self.score if self.score is not None else 0.0)
