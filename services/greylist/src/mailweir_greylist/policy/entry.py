"""An entry: who was asked to come back, or who need not any more; and its stored form.

The stored form is compact JSON with readable parts, since the list is made of it. Keys are
`<kind>.<digest>`: the parts are of any length and hold any character, the digest is neither.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_ENTRY_BYTES: Final = 16_384
DIGEST_BYTES: Final = 15
"""120 bits: two of a hundred million keys are the same with a chance of 1 in 10^20."""
MAX_PART: Final = 400
MAX_COUNT: Final = 4_294_967_295  # uint32 of the proto
MAX_ACTOR: Final = 200


class Kind(StrEnum):
    """The first part of a key."""

    TRIPLET = "t"  # client, sender, recipient
    CLIENT = "c"  # a client and how often it came back
    MARK = "s"  # a sender whose last message was spam


class State(StrEnum):
    """Where an entry stands."""

    PENDING = "pending"  # asked to come back
    AUTHORISED = "authorised"  # came back, or let through by hand
    COUNTED = "counted"  # a client that came back, not yet often enough
    EXEMPT = "exempt"  # a client that need not come back any more


LISTED: Final = (State.PENDING, State.AUTHORISED, State.EXEMPT)
"""The states that people ask for."""

_LETTERS: Final = {State.PENDING: "p", State.AUTHORISED: "a", State.COUNTED: "c", State.EXEMPT: "e"}
_STATES: Final = {letter: state for state, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Times are seconds since the epoch.

    `client` is `spf:<domain>`, `host:<domain>` or a network; empty where the mode goes by the sender alone.
    `sender` is as it is compared, `recipient` an address or `@domain`; both are empty for a client.
    `attempts` counts what came, `passes` what was let through, both no more than once in a while (steps.py).
    `by` is who authorised it by hand.
    """

    state: State
    client: str
    sender: str
    recipient: str
    first_at: float
    last_at: float
    due_at: float
    expires_at: float
    attempts: int = 1
    passes: int = 0
    by: str = ""

    def lives(self, now: float) -> bool:
        """Say whether it has not run out; the broker may take a moment to forget it."""
        return now < self.expires_at

    def ttl(self, now: float) -> float:
        """Return for how many seconds it has to be kept, at least one."""
        return max(1.0, self.expires_at - now)


def key_of(kind: Kind, *parts: str) -> str:
    """Return the key of what the parts name."""
    said = "\0".join(parts).encode(errors="backslashreplace")
    return f"{kind}.{hashlib.blake2s(said, digest_size=DIGEST_BYTES).hexdigest()}"


def dump(entry: Entry) -> bytes:
    """Return the stored form."""
    parts: list[Any] = [
        _LETTERS[entry.state],
        entry.client[:MAX_PART],
        entry.sender[:MAX_PART],
        entry.recipient[:MAX_PART],
        round(entry.first_at, 3),
        round(entry.last_at, 3),
        round(entry.due_at, 3),
        round(entry.expires_at, 3),
        min(entry.attempts, MAX_COUNT),
        min(entry.passes, MAX_COUNT),
        entry.by[:MAX_ACTOR],
    ]
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=True).encode()


def load(data: bytes) -> Entry:
    """Return the entry in its stored form; raises ValueError for anything else."""
    if len(data) > MAX_ENTRY_BYTES:
        raise ValueError("the entry is too long")
    try:
        parts = json.loads(data)
    except RecursionError:
        raise ValueError("the entry is nested too deeply") from None
    if not isinstance(parts, list) or len(parts) != 11:
        raise ValueError("an entry has eleven parts")
    letter, client, sender, recipient, first, last, due, expires, attempts, passes, by = parts
    return Entry(
        state=_state(letter),
        client=_text(client),
        sender=_text(sender),
        recipient=_text(recipient),
        first_at=_time(first),
        last_at=_time(last),
        due_at=_time(due),
        expires_at=_time(expires),
        attempts=_count(attempts),
        passes=_count(passes),
        by=_text(by),
    )


def _state(letter: object) -> State:
    state = _STATES.get(letter) if isinstance(letter, str) else None
    if state is None:
        raise ValueError("the state is none that is known")
    return state


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("client, sender, recipient and by are texts")
    return value


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("times are numbers")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("counts are whole numbers")
    return value
