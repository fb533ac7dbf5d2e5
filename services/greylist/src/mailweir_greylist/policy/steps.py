"""How an entry changes with each question: the whole of greylisting's state, without any I/O.

A wait begins with the first question and has its length then. An earlier retry is refused and changes
nothing but a count; only the content's score can lengthen the wait, measured from the same beginning and up
to the longest. So who comes back in time is let through, however often it tried too early, and who
does not come back is never let through.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from mailweir_greylist.policy.candidates import suspicious
from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.keys import Triplet
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import LONG_FACTOR, LONGEST_FACTOR, GreylistPolicy

RENEW_SECONDS: Final = 3600.0
"""Use of an authorisation is noted once in this time: a busy sender must not cost a write per message."""
NOTE_SECONDS: Final = 10.0
"""The same for early retries."""
ONCE_SECONDS: Final = 60.0
"""Returns of a client within this time count once: recipients of one transaction may be asked about one by
one, and a queue that is sent out at once is no proof of five patient deliveries."""
SOON_SECONDS: Final = 86_400.0
"""A client that is not suspicious is exempt after fewer returns within this time."""


class Found(StrEnum):
    """What a question found."""

    FIRST = "first"  # never seen: asked to come back
    EARLY = "early"  # came back too early
    LENGTHENED = "lengthened"  # the content asks for a longer wait than the envelope did
    RETURNED = "returned"  # came back in time: authorised from now on
    AUTHORISED = "authorised"  # came back earlier, or was let through by hand


WAITS: Final = frozenset({Found.FIRST, Found.EARLY, Found.LENGTHENED})


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from a question.

    `entry` is to be stored, None where nothing changes. `must`: the answer holds only if it is stored over
    exactly what was found; else a failed write changes no answer. `wait`: seconds left, 0 where it may pass.
    """

    found: Found
    entry: Entry | None
    wait: float = 0.0
    must: bool = False


def wait_of(weight: float, policy: GreylistPolicy) -> float:
    """Return how long one waits, in seconds, by suspicion or score."""
    if weight >= policy.longest_score:
        return policy.delay_seconds * LONGEST_FACTOR
    if weight >= policy.long_score:
        return policy.delay_seconds * LONG_FACTOR
    return policy.delay_seconds


def step(
    entry: Entry | None, about: Triplet, question: Question, policy: GreylistPolicy, now: float
) -> Step:
    """Return what a question finds and does; `entry` is what is stored, None where there is nothing."""
    if entry is None or not entry.lives(now):
        return _first(about, wait_of(question.weight, policy), policy, now)
    longer = _longer(entry, question, policy, now)
    if longer > now:
        late = replace(
            entry, state=State.PENDING, due_at=longer, last_at=now,
            expires_at=entry.first_at + policy.pending_seconds,
        )  # fmt: skip
        return Step(Found.LENGTHENED, late, longer - now, must=True)
    if entry.state is State.AUTHORISED:
        return Step(Found.AUTHORISED, _used(entry, policy, now))
    if now < entry.due_at:
        return Step(Found.EARLY, _noted(entry, now), entry.due_at - now)
    passed = replace(
        entry, state=State.AUTHORISED, last_at=now, expires_at=now + policy.authorised_seconds,
        attempts=entry.attempts + 1, passes=entry.passes + 1,
    )  # fmt: skip
    return Step(Found.RETURNED, passed, must=True)


def _first(about: Triplet, wait: float, policy: GreylistPolicy, now: float) -> Step:
    entry = Entry(
        State.PENDING, about.client, about.sender, about.recipient,
        first_at=now, last_at=now, due_at=now + wait, expires_at=now + policy.pending_seconds,
    )  # fmt: skip
    return Step(Found.FIRST, entry, wait, must=True)


def _longer(entry: Entry, question: Question, policy: GreylistPolicy, now: float) -> float:
    """Return until when the content's score has it wait where that is later than the entry says; else 0."""
    if question.score is None or entry.by:
        return 0.0
    due = entry.first_at + wait_of(question.score, policy)
    return due if due > max(entry.due_at, now) else 0.0


def _used(entry: Entry, policy: GreylistPolicy, now: float) -> Entry | None:
    """Return an authorisation with its use noted, None where that was done a short while ago."""
    if entry.passes and now - entry.last_at < RENEW_SECONDS:
        return None
    return replace(
        entry, last_at=now, expires_at=now + policy.authorised_seconds,
        attempts=entry.attempts + 1, passes=entry.passes + 1,
    )  # fmt: skip


def _noted(entry: Entry, now: float) -> Entry | None:
    if now - entry.last_at < NOTE_SECONDS:
        return None
    return replace(entry, last_at=now, attempts=entry.attempts + 1)


def authorised(entry: Entry, actor: str, policy: GreylistPolicy, now: float) -> Entry:
    """Return an entry that somebody lets through: its next try comes in, however early."""
    exempt = entry.state in (State.COUNTED, State.EXEMPT)
    life = policy.exempt_seconds if exempt else policy.authorised_seconds
    return replace(
        entry, state=State.EXEMPT if exempt else State.AUTHORISED, by=actor, due_at=now,
        expires_at=now + life,
    )  # fmt: skip


def counted(
    entry: Entry | None, client: str, question: Question, policy: GreylistPolicy, now: float
) -> Entry | None:
    """Return what is counted of a client after one more transaction of it has come back; None for no change.

    `due_at` of a client is when it became exempt, 0 before.
    """
    if entry is None or not entry.lives(now):
        entry = Entry(State.COUNTED, client, "", "", now, now, 0.0, 0.0, attempts=0)
    elif now - entry.last_at < ONCE_SECONDS:
        return None
    passes = entry.passes + 1
    exempt = entry.state is State.EXEMPT or _enough(entry, passes, question, policy, now)
    return replace(
        entry,
        state=State.EXEMPT if exempt else State.COUNTED,
        last_at=now,
        due_at=entry.due_at or (now if exempt else 0.0),
        expires_at=now + policy.exempt_seconds,
        attempts=passes,
        passes=passes,
    )


def _enough(
    entry: Entry, passes: int, question: Question, policy: GreylistPolicy, now: float
) -> bool:
    if not policy.exempt_after:
        return False
    twice = passes > 1 and now - entry.last_at <= SOON_SECONDS
    soon = policy.exempt_twice_a_day and twice and not suspicious(question, policy)
    return soon or passes >= policy.exempt_after


def renewed(entry: Entry, policy: GreylistPolicy, now: float) -> Entry | None:
    """Return an exempt client with its use noted, None where that was done a short while ago."""
    if now - entry.last_at < RENEW_SECONDS:
        return None
    return replace(entry, last_at=now, expires_at=now + policy.exempt_seconds)
