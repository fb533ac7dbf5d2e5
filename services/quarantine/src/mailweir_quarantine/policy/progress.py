"""Where delivery of a message stands, merged so that a late event never takes anything back.

Events of a message carry all that is known, but may arrive twice or out of order. `merge` is a join: of any
set of events, in any order, the same result comes out.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from mailweir_core.decision import State
from mailweir_quarantine.policy.state import Fact, Life, after


class Status(IntEnum):
    """What happened with one recipient; of two final ones the higher number counts."""

    UNTRIED = 0
    DEFERRED = 1
    EXPIRED = 2
    FAILED = 3
    DELIVERED = 4

    @property
    def is_final(self) -> bool:
        """Say whether nothing more will be tried."""
        return self >= Status.EXPIRED


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient's delivery; `at` in seconds since the epoch, `attempt` counted from 1."""

    address: str
    status: Status
    at: float = 0.0
    attempt: int = 0
    next_hop: str = ""
    reply: str = ""
    enhanced: str = ""

    @property
    def rank(self) -> tuple[int, int, float, int, str, str, str]:
        """Return what `merge` compares: what is final first, then what is newer; no two differ unseen."""
        final = int(self.status) if self.status.is_final else 0
        text = (self.next_hop, self.reply, self.enhanced)
        return (final, self.attempt, self.at, int(self.status), *text)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where delivery stands; times in seconds since the epoch, `next_attempt_at` 0 where none is due.

    `release`: which hand-over to delivery this is about, 0 for the first pass; `recipients`: by address.
    """

    ref: str
    release: int = 0
    attempts: int = 0
    finished: bool = False
    next_attempt_at: float = 0.0
    at: float = 0.0
    recipients: tuple[Recipient, ...] = ()

    @property
    def fact(self) -> Fact:
        """Return what this says about the message as a whole."""
        if not self.finished:
            return Fact.TRIED
        taken = all(r.status is Status.DELIVERED for r in self.recipients)
        return Fact.DELIVERED if taken and self.recipients else Fact.BOUNCED


def merge(one: Progress | None, other: Progress) -> Progress:
    """Return what two events of one message say together; the event of a later release replaces all."""
    if one is None:
        return _ordered(other)
    if one.release != other.release:
        return _ordered(max(one, other, key=lambda p: p.release))
    finished = one.finished or other.finished
    newer = max(one, other, key=lambda p: (p.attempts, p.at, p.next_attempt_at))
    return Progress(
        ref=one.ref,
        release=one.release,
        attempts=newer.attempts,
        finished=finished,
        next_attempt_at=0.0 if finished else newer.next_attempt_at,
        at=max(one.at, other.at),
        recipients=_join(one.recipients + other.recipients),
    )


def _ordered(progress: Progress) -> Progress:
    return Progress(
        ref=progress.ref,
        release=progress.release,
        attempts=progress.attempts,
        finished=progress.finished,
        next_attempt_at=0.0 if progress.finished else progress.next_attempt_at,
        at=progress.at,
        recipients=_join(progress.recipients),
    )


def _join(recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    best: dict[str, Recipient] = {}
    for recipient in recipients:
        known = best.get(recipient.address)
        if known is None or recipient.rank > known.rank:
            best[recipient.address] = recipient
    return tuple(best[address] for address in sorted(best))


def track(life: Life, progress: Progress) -> Life:
    """Return a message's life after its delivery's progress.

    Progress of an earlier release says nothing about the present one. Progress of a release that we have
    forgotten (the database came back from a backup) is proof that it happened.
    """
    if progress.release < life.releases:
        return life
    state = life.state
    if progress.release > life.releases and state is State.HELD:
        state = State.RELEASED
    return replace(life, state=after(state, progress.fact), releases=progress.release)
