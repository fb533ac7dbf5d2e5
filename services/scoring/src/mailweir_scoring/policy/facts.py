"""What a message is judged by: one immutable record, and the shape of what is found in it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from mailweir_core.decision import Action
from mailweir_core.outcome import Outcome
from mailweir_core.record import Envelope
from mailweir_mail import Message, Part
from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.ruleset import RuleSet

if TYPE_CHECKING:  # it stands on the facts
    from mailweir_scoring.policy.authentication import Authentication

_DEFAULT_POLICY: Final = ScoringPolicy()
_EMPTY_KIT: Final = Kit(RuleSet({}, ""))


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
    the text parts that a client shows, as many as are scanned (`reading.texts_of`). `auth` is what the stage
    `auth` found out, for all stages after it; None where it did not run.
    """

    message: Message
    texts: tuple[Part, ...]
    now: float
    envelope: Envelope | None = None
    outcomes: tuple[Outcome, ...] = ()
    identity: Identity = Identity()
    policy: ScoringPolicy = _DEFAULT_POLICY
    kit: Kit = _EMPTY_KIT
    auth: "Authentication | None" = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What checks compute once for each other; copies of the facts share it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched: its symbol, a short excerpt, and a factor on the rule's score.

    `least` is an action that the verdict must not be milder than, whatever the score.
    """

    symbol: str
    evidence: str = ""
    weight: float = 1.0
    least: Action | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a stage comes back with.

    `facts` are the facts for later stages where it found some out; `silenced` are symbols that count nothing
    any more because one of the hits stands for them. `failure` says why the stage could not find out.
    `fields` are header fields for the message, name and value; a line feed in a value asks for a fold there.
    """

    hits: tuple[Hit, ...] = ()
    facts: Facts | None = None
    silenced: frozenset[str] = frozenset()
    failure: str = ""
    fields: tuple[tuple[str, str], ...] = ()
