"""What a judged message means for limits: an account that sends spam, a client whose mail is good or bad."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.decision import Action
from mailweir_core.net import parse_ip
from mailweir_core.reasons import Reason
from mailweir_core.record import Session
from mailweir_policy.ratelimit import Unit
from mailweir_ratelimit.policy.limits import Limits
from mailweir_ratelimit.policy.selectors import Facts, key_of, values_of

MAX_RECIPIENTS: Final = 20
"""Recipients of one message whose buckets its verdict moves."""
FORGET_SECONDS: Final = 3600.0
"""Older verdicts move no bucket."""
BLOCK_SECONDS: Final = 86_400.0
"""Older spam of an account does not block it any more."""
_SPAM: Final = frozenset({Reason.SPAM, Reason.GTUBE, Reason.MALWARE, Reason.DISCARDED})


class Kind(StrEnum):
    """What mail was."""

    HAM = "ham"
    SPAM = "spam"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged message. `at`: seconds since the epoch; `fresh`: certainly handed to nobody before."""

    ref: str
    session: Session
    sender: str
    recipients: tuple[str, ...]
    action: str
    reason: str
    score: float
    at: float
    fresh: bool = True

    @property
    def kind(self) -> Kind | None:
        """Return what it was, None where that is not certain or nobody looked at it."""
        if self.action == Action.ACCEPT and self.reason == Reason.CLEAN:
            return Kind.HAM
        return Kind.SPAM if self.reason in _SPAM else None


def blocks_account(verdict: Verdict, now: float) -> bool:
    """Say whether a message is a reason to block the account that sent it."""
    return (
        bool(verdict.session.auth_user)
        and verdict.reason == Reason.OUTBOUND_SPAM
        and now - verdict.at <= BLOCK_SECONDS
    )


def corrections(
    verdicts: Iterable[Verdict], limits: Limits, now: float
) -> Mapping[str, tuple[int, int]]:
    """Return how much ham and spam each bucket has seen, by key.

    A message that may have been handed out before moves nothing: twice would be wrong, never is not.
    """
    found: dict[str, tuple[int, int]] = {}
    if not limits.policy.ratelimit.correct:
        return found
    for verdict in verdicts:
        kind = verdict.kind
        if kind is None or not verdict.fresh or now - verdict.at > FORGET_SECONDS:
            continue
        for key in _keys(verdict, limits):
            ham, spam = found.get(key, (0, 0))
            found[key] = (ham + (kind is Kind.HAM), spam + (kind is Kind.SPAM))
    return found


def _keys(verdict: Verdict, limits: Limits) -> frozenset[str]:
    session = verdict.session
    if session.auth_user or limits.exempts_client(session, ClientFacts()):
        return frozenset()
    facts = [
        Facts(parse_ip(session.client_ip), 0, session.helo, verdict.sender, recipient)
        for recipient in (verdict.recipients or ("",))[:MAX_RECIPIENTS]
    ]
    return frozenset(
        key_of(limit, values)
        for unit in Unit
        for limit in limits.by_unit[unit]
        if limit.scaled
        for one in facts
        if (values := values_of(limit, one))
    )
