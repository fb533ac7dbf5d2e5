"""What a script is made of once it is read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from mailweir_testkit.dialogue.errors import Place


@dataclass(frozen=True, slots=True)
class Say:
    """Send bytes."""

    place: Place
    data: bytes


@dataclass(frozen=True, slots=True)
class Expect:
    """Read one whole reply; its last line must begin with one of the prefixes."""

    place: Place
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """The reply that was read last has (or has not) a line whose text, behind the code, begins so."""

    place: Place
    text: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Took:
    """The last reply came no sooner (or no later) than so many seconds after the last bytes sent."""

    place: Place
    sign: Literal[">=", "<="]
    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Name the door of the next connection: mx, submission or submissions."""

    place: Place
    listener: str


@dataclass(frozen=True, slots=True)
class Use:
    """Go on with another connection of the script, made when it is first needed."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Open:
    """Close the connection if there is one, and make a new one."""

    place: Place


@dataclass(frozen=True, slots=True)
class Hang:
    """End the connection: `close` (FIN), `abort` (RST), `half-close` (FIN of our direction only)."""

    place: Place
    how: Literal["close", "abort", "half-close"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Begin TLS now."""

    place: Place


@dataclass(frozen=True, slots=True)
class ExpectClose:
    """The server ends the connection and says nothing before."""

    place: Place


@dataclass(frozen=True, slots=True)
class ExpectSilence:
    """The server says nothing for so many seconds and keeps the connection."""

    place: Place
    seconds: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for so many seconds."""

    place: Place
    seconds: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the following steps wait for the server, in seconds."""

    place: Place
    seconds: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """So many messages were taken since the script began."""

    place: Place
    count: int


class MailWord(StrEnum):
    """What can be said of a message that was taken."""

    FROM = "from"
    TO = "to"
    ACTION = "action"
    HAS = "has"
    LACKS = "lacks"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class MailIs:
    """A fact about the n-th message taken (from 1): an envelope address, or bytes of the content."""

    place: Place
    number: int
    what: MailWord
    value: bytes


Step = (
    Say | Expect | ReplyLine | Took | Listen | Use | Open | Hang | Tls | ExpectClose | ExpectSilence
    | Sleep | Patience | Accepted | MailIs
)  # fmt: skip
