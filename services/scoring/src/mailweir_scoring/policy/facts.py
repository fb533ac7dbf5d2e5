"""What a message is judged by: one immutable record, and the shape of what is found in it."""

from dataclasses import dataclass

from mailweir_core.outcome import Outcome
from mailweir_core.record import Envelope
from mailweir_mail import Message, Part


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: our name in Received headers, and the domains we take mail for; lower case."""

    hostname: str = ""
    local_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known about one message.

    `envelope` is None for a message from a file: then no session is known, no Received header of ours is
    on top, and `now` (seconds since the epoch) says nothing about when the message was sent. `texts` are
    the text parts that a client shows, as many as are scanned (`reading.texts_of`).
    """

    message: Message
    texts: tuple[Part, ...]
    now: float
    envelope: Envelope | None = None
    outcomes: tuple[Outcome, ...] = ()
    identity: Identity = Identity()


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched: its symbol, a short excerpt, and a factor on the rule's score."""

    symbol: str
    evidence: str = ""
    weight: float = 1.0
