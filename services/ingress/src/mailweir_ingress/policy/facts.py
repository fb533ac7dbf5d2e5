"""What is known when a decision falls, by phase of the session."""

from dataclasses import dataclass

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.edge import NOTHING_FOUND, MessageFound


@dataclass(frozen=True, slots=True)
class ConnectFacts:
    """A client has connected. Counts include its own session."""

    sessions: int
    client_sessions: int
    memory_left: bool
    draining: bool


@dataclass(frozen=True, slots=True)
class HeloFacts:
    """HELO or EHLO came."""

    name: str
    client_ip: str
    own_ip: str
    known: bool
    """The client is trusted, authenticated or on a submission port: its name proves nothing."""


@dataclass(frozen=True, slots=True)
class MailFacts:
    """MAIL came, its path is well-formed."""

    listener: Listener
    greeted: bool
    encrypted: bool
    authenticated: bool
    trusted: bool
    messages: int
    """Messages taken in this session before."""
    declared_bytes: int
    local_sender: bool
    null_sender: bool
    sender_owned: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """What a message looks like from outside. `longest_line` is 0 where nobody asked for it.

    `claims`: it may have fields that only we may set; where it is False, it has none.
    """

    bytes: int
    header_lines: int
    hops: int
    claims: bool = False
    longest_line: int = 0
    bare_newline: bool = False


@dataclass(frozen=True, slots=True)
class ContentVerdict:
    """What the scoring service said of a message.

    `headers` are put before it. `record` is the adapter's own form of the whole answer, for the record of the
    message; nothing between two adapters looks into it.
    """

    status: Status
    action: Action
    reason: Reason
    score: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    signals: tuple[str, ...] = ()
    detail: str = ""
    record: object = None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """The data of a message has come. `attempts` counts this message's coming, from 1.

    `outbound`: one of our users sends it. `edge` is what the session's checks said, the last of which are
    only asked once it is known that the content would let the message in.
    """

    shape: Shape
    exempt: bool = False
    verdict: ContentVerdict | None = None
    attempts: int = 1
    outbound: bool = False
    edge: MessageFound = NOTHING_FOUND
