"""What the ingress asks of the outside. Each port has a real adapter and one in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from mailweir_core.address import EnvelopeAddress
from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.decision import Action, Decision
from mailweir_core.net import Address
from mailweir_core.outcome import Outcome
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Session
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
    """What happened to a message, transaction or session. `judged_at`: seconds since the epoch.

    `count`: how many sessions like it the record stands for.
    """

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
    count: int = 1


class NotKept(Exception):
    """Raised when a message could not be stored; `full` where there is no room for it."""

    def __init__(self, detail: str, *, full: bool = False) -> None:
        """Keep why."""
        super().__init__(detail)
        self.full = full


class Bans(Protocol):
    """Knows who is banned: a copy kept at hand, since every connection asks."""

    def of(self, client: Address | None, now: float) -> Ban | None:
        """Return the ban that an address falls under; None for who an allow list of the system names."""
        ...

    def allows(self, client: Address | None, now: float) -> bool:
        """Say whether an allow list of the system names an address."""
        ...

    def blocks(self, client: Address | None, now: float) -> bool:
        """Say whether a block list of the system names an address."""
        ...

    def account(self, login: str, now: float) -> Ban | None:
        """Return the ban of a login, or of what `mailweir_core.bans.paused_login` makes of one."""
        ...

    def hit(self, ban: Ban, now: float) -> None:
        """Count a connection that was turned away for a ban."""
        ...

    def subscribe(self, callback: Callable[[Ban], None]) -> None:
        """Have `callback` called with every ban that comes from now on."""
        ...


class Passes(Protocol):
    """Knows the clients that have waited for the banner, on whatever process."""

    async def holds(self, client: Address) -> bool:
        """Say whether a client has a pass; False where nobody knows in time. Never raises."""
        ...

    def grant(self, client: Address, seconds: float) -> None:
        """Let a client have a pass for so long; it is stored when there is time."""
        ...


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


STRANGER: Final = ClientFacts()
"""A client of whom nothing is known."""


class Stage(StrEnum):
    """How far a session has come when the edge is asked about it."""

    CONNECT = "connect"
    RCPT = "rcpt"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class ReputationQuestion:
    """Who is this? `sender` is empty before MAIL and for the null sender, `recipients` before RCPT.

    `with_sender`: the sender is looked at with the recipients; nobody has asked about it yet.
    """

    stage: Stage
    session: Session
    client: ClientFacts = STRANGER
    sender: str = ""
    recipients: tuple[str, ...] = ()
    with_sender: bool = False

    def unanswered(self, outcome: Outcome) -> "ReputationAnswer":
        """Return what stands for the answer where there is none."""
        recipients = (outcome,) * len(self.recipients)
        return ReputationAnswer(outcome, self.client, recipients, answered=False)


@dataclass(frozen=True, slots=True)
class ReputationAnswer:
    """What is known of the client now, what speaks for or against it, and at RCPT that for each recipient.

    The answer on a client holds for `valid_seconds`. `answered` False: nobody did, this stands for it.
    """

    outcome: Outcome
    client: ClientFacts
    recipients: tuple[Outcome, ...] = ()
    valid_seconds: float = 0.0
    answered: bool = True

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome in it."""
        return (self.outcome, *self.recipients)


class Reputation(Protocol):
    """Knows clients and senders."""

    async def check(self, question: ReputationQuestion, timeout: float) -> ReputationAnswer:
        """Return the answer within `timeout` seconds, TEMPERROR where there is none. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class GreylistQuestion:
    """May these recipients be sent to now? `score` is the content's, once there is content."""

    session: Session
    client: ClientFacts
    sender: str
    recipients: tuple[str, ...]
    score: float | None = None

    def unanswered(self, outcome: Outcome) -> "GreylistAnswer":
        """Return what stands for the answer where there is none."""
        return GreylistAnswer((outcome,) * len(self.recipients), answered=False)


@dataclass(frozen=True, slots=True)
class GreylistAnswer:
    """One outcome for each recipient; `wait_seconds` until the last of them may be sent to.

    `answered` False: nobody did, this stands for it.
    """

    recipients: tuple[Outcome, ...]
    wait_seconds: float = 0.0
    answered: bool = True

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome in it."""
        return self.recipients


class Greylist(Protocol):
    """Knows who has to come back later."""

    async def check(self, question: GreylistQuestion, timeout: float) -> GreylistAnswer:
        """Return the answer within `timeout` seconds, TEMPERROR where there is none. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class RatelimitQuestion:
    """Is this too much? `ref`, `bytes` and `score` are those of a message, at Stage.MESSAGE."""

    stage: Stage
    session: Session
    client: ClientFacts = STRANGER
    sender: str = ""
    recipients: tuple[str, ...] = ()
    ref: str = ""
    bytes: int = 0
    score: float = 0.0

    def unanswered(self, outcome: Outcome) -> "RatelimitAnswer":
        """Return what stands for the answer where there is none."""
        recipients = self.recipients if self.stage is Stage.RCPT else ()
        return RatelimitAnswer(outcome, (outcome,) * len(recipients), answered=False)


@dataclass(frozen=True, slots=True)
class RatelimitAnswer:
    """What holds for the client or message, and at RCPT for each recipient.

    `answered` False: nobody did, this stands for it.
    """

    outcome: Outcome
    recipients: tuple[Outcome, ...] = ()
    answered: bool = True

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome in it."""
        return (self.outcome, *self.recipients)


@dataclass(frozen=True, slots=True)
class Offence:
    """Something that a client did. `measure` is a score or bytes, for kinds that have a measure.

    `allowed`: an allow list knows the client, which is never banned then.
    """

    kind: OffenceKind
    client_ip: str
    proxy_ip: str = ""
    login: str = ""
    ref: str = ""
    evidence: str = ""
    count: int = 1
    measure: float = 0.0
    allowed: bool = False


class Ratelimit(Protocol):
    """Counts, and bans who offends."""

    async def check(self, question: RatelimitQuestion, timeout: float) -> RatelimitAnswer:
        """Count, and return the answer within `timeout` seconds, TEMPERROR where there is none.

        Never raises.
        """
        ...

    async def report(self, offence: Offence, timeout: float) -> Ban | None:
        """Report an offence; returns the ban that follows, or None where none does or nobody answers.

        Never raises.
        """
        ...
