"""The life of a message as two closed tables: what facts make of it, and what people may ask for.

Facts arrive from several streams in any order and more than once, so a fact never fails and never takes a
message back: it leads on, or it changes nothing. A command is asked for once and answered.

    nothing ─> queued ─────────────> delivered | bounced
       ├─────> held ──> released ──> delivered | bounced
       │         └────> deleted
       └─────> refused | deleted (discarded)

A refusal gives way to what shows that the mail is here in spite of it, see `supersedes`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from mailweir_core.decision import Action, State


class Fact(StrEnum):
    """What is known to have happened."""

    JUDGED_TAKEN = "judged-taken"  # the ingress took it for delivery
    JUDGED_HELD = "judged-held"  # the ingress took it for quarantine
    JUDGED_REFUSED = "judged-refused"  # the client was told 4xx or 5xx
    JUDGED_DISCARDED = "judged-discarded"  # the client was told 250, the message was dropped
    HELD = "held"  # its body is in our store
    TRIED = "tried"  # delivery has begun and is not at its end
    DELIVERED = "delivered"  # every recipient's next hop took it
    BOUNCED = "bounced"  # delivery is at its end, and some recipient has not got it


class Command(StrEnum):
    """What may be asked for."""

    RELEASE = "release"
    DELETE = "delete"
    EXPIRE = "expire"  # the retention policy's own delete


Known = State | None
"""A message's state; None where nothing is known of it yet."""

_FACTS_BY_ACTION: Final[Mapping[str, Fact]] = MappingProxyType(
    {
        Action.ACCEPT: Fact.JUDGED_TAKEN,
        Action.TAG: Fact.JUDGED_TAKEN,
        Action.HOLD: Fact.JUDGED_HELD,
        Action.DEFER: Fact.JUDGED_REFUSED,
        Action.REJECT: Fact.JUDGED_REFUSED,
        Action.DISCARD: Fact.JUDGED_DISCARDED,
    }
)

# What moves a message on. A pair that is not named changes nothing.
_MOVES: Final[Mapping[tuple[Known, Fact], State]] = MappingProxyType(
    {
        (None, Fact.JUDGED_TAKEN): State.QUEUED,
        (None, Fact.JUDGED_HELD): State.HELD,
        (None, Fact.JUDGED_REFUSED): State.REFUSED,
        (None, Fact.JUDGED_DISCARDED): State.DELETED,
        (None, Fact.HELD): State.HELD,
        (None, Fact.TRIED): State.QUEUED,
        (None, Fact.DELIVERED): State.DELIVERED,
        (None, Fact.BOUNCED): State.BOUNCED,
        (State.QUEUED, Fact.DELIVERED): State.DELIVERED,
        (State.QUEUED, Fact.BOUNCED): State.BOUNCED,
        (State.RELEASED, Fact.DELIVERED): State.DELIVERED,
        (State.RELEASED, Fact.BOUNCED): State.BOUNCED,
        # the client was told 4xx, and the mail was stored in spite of it
        (State.REFUSED, Fact.HELD): State.HELD,
        (State.REFUSED, Fact.TRIED): State.QUEUED,
        (State.REFUSED, Fact.DELIVERED): State.DELIVERED,
        (State.REFUSED, Fact.BOUNCED): State.BOUNCED,
    }
)


def judged(action: str) -> Fact:
    """Return the fact that a record's action states; an action that we do not know was no acceptance."""
    return _FACTS_BY_ACTION.get(action, Fact.JUDGED_REFUSED)


def after(state: Known, fact: Fact) -> Known:
    """Return the state after a fact; the same state where the fact says nothing new."""
    return _MOVES.get((state, fact), state)


@dataclass(frozen=True, slots=True)
class Life:
    """All that a command is answered by.

    `has_body`: the message's body is in our store; `releases`: how often it has been let out; `was_held`:
    it was in quarantine once, whatever it is now.
    """

    state: Known = None
    releases: int = 0
    has_body: bool = False
    was_held: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a command: the life after it, whether it holds, and what is to be said if not.

    `effect`: something changes now; a command that was carried out before is done without effect.
    """

    life: Life
    done: bool
    effect: bool = False
    detail: str = ""


UNKNOWN: Final = "there is no such message"
NEVER_HELD: Final = "the message was never held"
NOT_YET_HERE: Final = "the message has not reached the quarantine yet; try again in a moment"
IS_DELETED: Final = "the message has been deleted"
IS_RELEASED: Final = "the message has been released already"


def command(life: Life, asked: Command) -> Answer:
    """Say what becomes of a command."""
    if life.state is None:
        return Answer(life, done=False, detail=UNKNOWN)
    if life.state is State.HELD:
        return _command_held(life, asked)
    if not life.was_held:
        return Answer(life, done=False, detail=NEVER_HELD)
    if life.state is State.DELETED:
        done = asked is not Command.RELEASE
        return Answer(life, done=done, detail="" if done else IS_DELETED)
    done = asked is Command.RELEASE
    return Answer(life, done=done, detail="" if done else IS_RELEASED)


def _command_held(life: Life, asked: Command) -> Answer:
    if not life.has_body and asked is not Command.EXPIRE:
        return Answer(life, done=False, detail=NOT_YET_HERE)
    if asked is Command.RELEASE:
        after_it = replace(life, state=State.RELEASED, releases=life.releases + 1)
    else:
        after_it = replace(life, state=State.DELETED)
    return Answer(after_it, done=True, effect=True)


def supersedes(life: Life, action: str) -> bool:
    """Say whether a second record of a message takes the place of the first.

    The ingress stores mail and record side by side. Where the record was stored and the mail was not, the
    client is told 4xx, and a second record says so. It holds unless something shows that the mail came after
    all: then storing it had only seemed to fail.
    """
    taken = life.state is State.QUEUED or (life.state is State.HELD and not life.has_body)
    return taken and action == Action.DEFER


def recorded(life: Life, action: str) -> Life:
    """Return a life after its record was written."""
    fact = judged(action)
    if supersedes(life, action):
        return replace(life, state=State.REFUSED, was_held=False)
    return replace(
        life,
        state=after(life.state, fact),
        was_held=life.was_held or fact is Fact.JUDGED_HELD,
    )


def taken_in(life: Life) -> Life:
    """Return a life after its body came into our store."""
    return replace(life, state=after(life.state, Fact.HELD), has_body=True, was_held=True)


FINAL: Final = frozenset({State.DELIVERED, State.BOUNCED, State.DELETED, State.REFUSED})
"""States in which a body is of no more use."""
