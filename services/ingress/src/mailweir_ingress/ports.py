"""What the ingress asks of the outside. Each port has a real adapter and one in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from mailweir_core.address import EnvelopeAddress
from mailweir_core.decision import Action, Decision
from mailweir_core.outcome import Outcome
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.policy.rules import Rules
from mailweir_mail.auth.dkim import SigningKey


class Scorer(Protocol):
    """Judges the content of a message."""

    async def score(
        self, envelope: Envelope, raw: bytes, outcomes: Sequence[Outcome], timeout: float
    ) -> ContentVerdict:
        """Return the verdict on `raw` within `timeout` seconds; TEMPERROR where there is none.

        Never raises.
        """
        ...


class Existence(StrEnum):
    """What the next hop says of a recipient."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # no answer, or not a clear one


class RecipientProbe(Protocol):
    """Asks the next hop whether a recipient exists, and remembers."""

    async def exists(self, recipient: EnvelopeAddress, rules: Rules) -> Existence:
        """Return the answer within the policy's callout timeout. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A submission account: its login, and what it may send from (`a@b`, or `@domain`), lower case."""

    login: str
    senders: frozenset[str]


class AccountsUnavailable(Exception):
    """Raised when nobody can say whether a login is good."""


class SigningKeys(Protocol):
    """Knows the keys that mail is signed with."""

    def of(self, domain: str) -> Sequence[SigningKey]:
        """Return the keys of a domain (lower case), at most a few, by selector. Never raises."""
        ...


class Accounts(Protocol):
    """Knows the submission accounts."""

    async def login(self, login: str, password: str) -> Account | None:
        """Return the account, or None for a wrong login or password. Raises AccountsUnavailable.

        An unknown login takes the time of a known one.
        """
        ...


class RecordKind(StrEnum):
    """What a record is about."""

    MESSAGE = "message"
    TRANSACTION = "transaction"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Refused:
    """A recipient that was refused, as given (shortened), with the reply."""

    address: str
    action: Action
    reason: Reason
    reply: str


@dataclass(frozen=True, slots=True)
class Record:
    """What happened to a message, transaction or session. `judged_at`: seconds since the epoch."""

    kind: RecordKind
    envelope: Envelope
    decision: Decision
    reply: str
    judged_at: float
    config_version: str
    bytes: int = 0
    verdict: ContentVerdict | None = None
    checks: tuple[Outcome, ...] = field(default=())
    refused: tuple[Refused, ...] = field(default=())


class NotKept(Exception):
    """Raised when a message could not be stored; `full` where there is no room for it."""

    def __init__(self, detail: str, *, full: bool = False) -> None:
        """Keep why."""
        super().__init__(detail)
        self.full = full


class Keeper(Protocol):
    """Takes messages over: what it has kept survives any crash."""

    async def keep(self, record: Record, content: bytes) -> None:
        """Store a message with its record; returns once both are safe. Raises NotKept.

        Storing the same reference again stores nothing new.
        """
        ...

    def note(self, record: Record) -> None:
        """Store a record when there is time; one that cannot be stored is counted and dropped."""
        ...
