"""Where delivery of one message stands: an immutable value, carried on attempt by attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_delivery.policy.retry import next_attempt
from mailweir_policy import RetryPolicy


class State(StrEnum):
    """What happened last with a recipient."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    EXPIRED = "expired"


SETTLED: Final = frozenset({State.DELIVERED, State.FAILED, State.EXPIRED})
LOST: Final = frozenset({State.FAILED, State.EXPIRED})
_STATES: Final = {
    Verdict.DELIVERED: State.DELIVERED,
    Verdict.DEFERRED: State.DEFERRED,
    Verdict.FAILED: State.FAILED,
}
EXPIRED_CODE: Final = "4.4.7"  # RFC 3463: delivery time expired


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient's state; `attempt` (from 1) and `at` say when it came to it."""

    address: str
    state: State = State.WAITING
    next_hop: str = ""
    reply: str = ""
    enhanced: str = ""
    at: float = 0.0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole message's. `next_attempt_at` is 0 where no attempt is due at a known time."""

    ref: str
    release: int = 0
    recipients: tuple[Recipient, ...] = ()
    attempts: int = 0
    next_attempt_at: float = 0.0
    at: float = 0.0

    @property
    def pending(self) -> tuple[str, ...]:
        """Return who has neither got it nor been given up."""
        return tuple(r.address for r in self.recipients if r.state not in SETTLED)

    @property
    def finished(self) -> bool:
        """Say whether nothing is left to do."""
        return all(r.state in SETTLED for r in self.recipients)

    @property
    def delivered(self) -> int:
        """Return how many recipients have got it."""
        return sum(r.state is State.DELIVERED for r in self.recipients)


def resume(ref: str, release: int, recipients: Iterable[str], last: Progress | None) -> Progress:
    """Return where a handed-out message stands: at the last word about this release, else at the start.

    The envelope rules who is a recipient; one named twice gets the message once.
    """
    known = {}
    if last is not None and last.release == release:
        known = {r.address: r for r in last.recipients}
    people = tuple(
        known.get(address) or Recipient(address) for address in dict.fromkeys(recipients)
    )
    if last is None or last.release != release:
        return Progress(ref, release, people)
    return replace(last, ref=ref, recipients=people)


def open_attempt(progress: Progress) -> Progress:
    """Count one attempt more."""
    return replace(progress, attempts=progress.attempts + 1, next_attempt_at=0.0)


def record(progress: Progress, endings: Mapping[str, Ending], now: float) -> Progress:
    """Note how the running attempt ended for some recipients; what is settled stays as it is."""
    people = tuple(
        _noted(person, endings[person.address], progress.attempts, now)
        if person.address in endings and person.state not in SETTLED
        else person
        for person in progress.recipients
    )
    return replace(progress, recipients=people, at=now)


def _noted(person: Recipient, ending: Ending, attempt: int, now: float) -> Recipient:
    return Recipient(
        person.address,
        _STATES[ending.verdict],
        ending.next_hop,
        ending.reply,
        ending.enhanced,
        now,
        attempt,
    )


def close_attempt(progress: Progress, policy: RetryPolicy, now: float, expiry: float) -> Progress:
    """Set when to go on; where time ran out, what is left has expired."""
    if progress.finished:
        return replace(progress, next_attempt_at=0.0, at=now)
    due = next_attempt(policy, progress.ref, progress.attempts, now, expiry)
    if due is not None:
        return replace(progress, next_attempt_at=due, at=now)
    people = tuple(
        p if p.state in SETTLED else _expired(p, progress.attempts, now)
        for p in progress.recipients
    )
    return replace(progress, recipients=people, next_attempt_at=0.0, at=now)


def _expired(person: Recipient, attempt: int, now: float) -> Recipient:
    return replace(person, state=State.EXPIRED, enhanced=EXPIRED_CODE, at=now, attempt=attempt)


def no_later_than(progress: Progress, due: float) -> Progress:
    """Return the progress with its next attempt brought forward, where there is one."""
    if progress.finished or progress.next_attempt_at <= due:
        return progress
    return replace(progress, next_attempt_at=due)


def lost_by_attempt(progress: Progress) -> Mapping[int, tuple[Recipient, ...]]:
    """Return the recipients that were given up, by the attempt they were given up in."""
    groups: dict[int, tuple[Recipient, ...]] = {}
    for person in progress.recipients:
        if person.state in LOST:
            groups[person.attempt] = (*groups.get(person.attempt, ()), person)
    return groups
