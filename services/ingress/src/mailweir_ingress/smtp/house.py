"""What sessions share: the house, and the door they came in by."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from mailweir_core.bans import OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.clock import Clock
from mailweir_core.decision import Decision
from mailweir_core.outcome import Outcome
from mailweir_core.record import Envelope, Listener
from mailweir_ingress.edge import Edge
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.policy.clientele import Clientele
from mailweir_ingress.policy.facts import Shape
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.ports import (
    STRANGER,
    Accounts,
    Bans,
    Keeper,
    Passes,
    RecipientProbe,
    Refused,
)
from mailweir_ingress.smtp.budget import MemoryBudget
from mailweir_ingress.smtp.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that has come: envelope, content with CRLF line ends, and what is known of it."""

    envelope: Envelope
    content: bytes
    shape: Shape
    exempt: bool
    refused: tuple[Refused, ...]
    rules: Rules
    client: ClientFacts = STRANGER
    outcomes: tuple[Outcome, ...] = ()
    """What the checks of the session said of it."""
    unspared: tuple[str, ...] = ()
    """Recipients for whom the sender may have to come back."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message, and what its content says against its client, if it does."""

    decision: Decision
    offence: OffenceKind | None = None
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class House:
    """Everything that outlives a session."""

    rules: Callable[[], Rules]
    """The rules in force; a transaction keeps those it began with."""
    clock: Clock
    sessions: Sessions
    budget: MemoryBudget
    receive: Callable[[Arrival], Awaitable[Received]]
    """Judges and keeps a message; returns once the client may be told. Never raises."""
    probe: RecipientProbe
    accounts: Accounts
    edge: Edge
    bans: Bans
    passes: Passes
    keeper: Keeper
    metrics: Metrics
    log: FilteringBoundLogger
    pause: Callable[[float], Awaitable[None]]
    """Waits that many seconds."""
    clientele: Clientele = field(default_factory=Clientele)
    lets_in: Callable[[], bool] = lambda: True
    """Says whether there is room for work of the next stranger; see `strain`."""


@dataclass(frozen=True, slots=True)
class Door:
    """A listener: which kind, and its TLS, if there is any."""

    listener: Listener
    tls: ssl.SSLContext | None
    house: House
