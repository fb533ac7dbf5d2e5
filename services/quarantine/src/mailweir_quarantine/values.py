"""What goes in and out of the record store. Times in seconds since the epoch, sizes in bytes."""

from dataclasses import dataclass

from mailweir_quarantine.policy.progress import Progress
from mailweir_quarantine.policy.state import Known
from mailweir_runtime.bus.ports import StoredBody


@dataclass(frozen=True, slots=True)
class Facts:
    """What both a record and a held message say of themselves, as far as it is known."""

    ref: str
    received_at: float
    client_ip: str = ""
    helo: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    bytes: int = 0
    score: float = 0.0
    action: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one judged message or refused transaction.

    `kind`: events.v1.JudgedKind; `refused`: recipients that were refused, searchable as the accepted ones
    are; `judged`: the whole record, packed (see adapters.events).
    """

    facts: Facts
    kind: int
    subject: str
    refused: tuple[str, ...]
    judged: bytes
    judged_at: float = 0.0


@dataclass(frozen=True, slots=True)
class HeldMail:
    """A message whose body has been put into our store.

    `mail`: the QueuedMail it came as, without its content; `shard`: whose stream it came from.
    """

    facts: Facts
    body: StoredBody
    shard: str
    mail: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """A record as a list shows it."""

    facts: Facts
    subject: str
    state: Known


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first; `next` is the cursor of the page after it, or empty."""

    items: tuple[Summary, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """One record with its explanation; `judged` is None where only delivery or quarantine know it yet."""

    summary: Summary
    judged: bytes | None
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A released message that delivery has not been given yet; `release` counts from 1."""

    ref: str
    release: int
    body: StoredBody
    shard: str
    mail: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command for one message; `effect`: something changed now."""

    ref: str
    state: Known
    done: bool
    effect: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records there are, by state and by action."""

    by_state: dict[str, int]
    by_action: dict[str, int]
