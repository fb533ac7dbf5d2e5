"""Mail that is held until its sender's limit has room: how it is remembered, and whose turn it is."""

import json
import math
from dataclasses import dataclass, replace
from typing import Final

from mailweir_ratelimit.policy.quota import Amount
from mailweir_ratelimit.policy.selectors import encoded

PREFIX: Final = "w."
CLAIM_SECONDS: Final = 60.0
"""How long a process has for a message that it takes in hand; then another may."""
UNKNOWN_SECONDS: Final = 900.0
"""After this, held mail that the quarantine has never heard of is forgotten: the session broke off."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One held message. `since` and `claimed_until`: seconds since the epoch."""

    ref: str
    login: str
    amount: Amount
    since: float
    claimed_until: float = 0.0

    @property
    def key(self) -> str:
        """Return the key that it is stored by: a user's lie together."""
        return f"{prefix_of(self.login)}{self.ref}"


def prefix_of(login: str) -> str:
    """Return how the keys of a user's waiting mail begin."""
    return f"{PREFIX}{encoded(login.casefold())}."


def claimed(waiting: Waiting, now: float) -> Waiting | None:
    """Return the message taken in hand; None while another process has it."""
    if waiting.claimed_until > now:
        return None
    return replace(waiting, claimed_until=now + CLAIM_SECONDS)


def forgettable(waiting: Waiting, now: float) -> bool:
    """Say whether a message that the quarantine does not know will not come any more."""
    return now - waiting.since > UNKNOWN_SECONDS


def dump(waiting: Waiting) -> bytes:
    """Return the stored form."""
    amount = waiting.amount
    document = {
        "ref": waiting.ref,
        "login": waiting.login,
        "amount": [amount.messages, amount.recipients, amount.bytes],
        "since": waiting.since,
        "claimed_until": waiting.claimed_until,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def load(value: bytes | None) -> Waiting | None:
    """Return the message of a stored form, None where there is none or it is unreadable."""
    if value is None:
        return None
    try:
        document = json.loads(value)
        amount = Amount(*(max(0, int(number)) for number in document["amount"]))
        since, until = float(document["since"]), float(document["claimed_until"])
        if not (math.isfinite(since) and math.isfinite(until)):
            return None
        return Waiting(str(document["ref"]), str(document["login"]), amount, since, until)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
