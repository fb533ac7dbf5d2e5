"""What becomes of a session, a recipient or a message."""

from dataclasses import dataclass
from enum import StrEnum

from mailweir_core.reasons import Reason


class Action(StrEnum):
    """What was done; `accept` and `tag` deliver, `hold` quarantines, `defer` is a 4xx, `reject` a 5xx."""

    ACCEPT = "accept"
    TAG = "tag"
    HOLD = "hold"
    DEFER = "defer"
    REJECT = "reject"
    DISCARD = "discard"

    @property
    def takes_mail(self) -> bool:
        """Say whether the client is told 250 and the message is ours from then on."""
        return self in (Action.ACCEPT, Action.TAG, Action.HOLD, Action.DISCARD)


class State(StrEnum):
    """Where a message is now."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    HELD = "held"
    RELEASED = "released"
    BOUNCED = "bounced"
    DELETED = "deleted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: code, enhanced status code (RFC 3463; empty where none belongs) and text."""

    code: int
    enhanced: str
    text: str

    def line(self, reference: str = "") -> str:
        """Return the reply as one line without CRLF, the reference id behind it in brackets."""
        parts = (
            str(self.code),
            self.enhanced,
            _one_line(self.text),
            reference and f"[{reference}]",
        )
        return " ".join(part for part in parts if part)


def _one_line(text: str) -> str:
    """Return the text without control characters: part of it may be what the client said."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: action, its reason, what the client is told, and whether the session ends with it."""

    action: Action
    reason: Reason
    reply: Reply
    close: bool = False
    detail: str = ""
