"""What each part finds of a client or sender, and what all of them come to."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, TypeVar

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Lookup, Outcome, Signal, Status
from mailweir_core.reasons import Reason

T = TypeVar("T")
CHECK: Final = "reputation"
GROUP: Final = "edge"
"""The group of all signals of the edge."""

_HARDNESS: Final = {
    Advice.NONE: 0,
    Advice.ALLOW: 0,
    Advice.HOLD: 1,
    Advice.DEFER: 2,
    Advice.REJECT: 3,
    Advice.CLOSE: 4,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one part found; the default is nothing at all.

    `suspicion` adds up to greylisting's measure. `known` spares the wait and greylisting, `allowed` overrules
    every advice. `failed` is a sentence where the part could not find out; what it did find holds besides.
    `host`, `asn`, `spf` and `spf_domain` are None where the part has nothing to say of them. `valid_seconds`
    is for how long it holds; None where it does not depend on time. With `forfeits` it does not hold for this
    sender that an entry allowed the client.
    """

    signals: tuple[Signal, ...] = ()
    advice: Advice = Advice.NONE
    reason: Reason | None = None
    detail: str = ""
    client_class: ClientClass | None = None
    known: bool = False
    allowed: bool = False
    suspicion: float = 0.0
    lookups: tuple[Lookup, ...] = ()
    failed: str = ""
    host: str | None = None
    asn: int | None = None
    spf: str | None = None
    spf_domain: str | None = None
    valid_seconds: float | None = None
    forfeits: bool = False

    @property
    def refuses(self) -> bool:
        """Say whether it speaks for turning away, for good or for now."""
        return _HARDNESS[self.advice] >= _HARDNESS[Advice.DEFER]


NOTHING: Final = Finding()


def merge(findings: Iterable[Finding]) -> Finding:
    """Return what several findings come to: the hardest advice, unless one allows; sums and unions else."""
    found = reduce(_both, findings, NOTHING)
    if not found.allowed:
        return found
    return replace(found, advice=Advice.ALLOW, reason=None, suspicion=0.0)


def _both(one: Finding, other: Finding) -> Finding:
    harder = other if _HARDNESS[other.advice] > _HARDNESS[one.advice] else one
    return Finding(
        signals=one.signals + other.signals,
        advice=harder.advice,
        reason=harder.reason,
        detail=_sentence(one.detail, other.detail) if not harder.refuses else harder.detail,
        client_class=_first(other.client_class, one.client_class),
        known=one.known or other.known,
        allowed=one.allowed or other.allowed,
        suspicion=one.suspicion + other.suspicion,
        lookups=one.lookups + other.lookups,
        failed=_sentence(one.failed, other.failed),
        host=_first(other.host, one.host),
        asn=_first(other.asn, one.asn),
        spf=_first(other.spf, one.spf),
        spf_domain=_first(other.spf_domain, one.spf_domain),
        valid_seconds=_least(one.valid_seconds, other.valid_seconds),
        forfeits=one.forfeits or other.forfeits,
    )


def _first(value: T | None, other: T | None) -> T | None:
    return other if value is None else value


def _least(one: float | None, other: float | None) -> float | None:
    known = [seconds for seconds in (one, other) if seconds is not None]
    return min(known, default=None)


def _sentence(one: str, other: str) -> str:
    return "; ".join(filter(None, (one, other)))


def facts_after(client: ClientFacts, found: Finding) -> ClientFacts:
    """Return what is known of a client once a finding is added to what was known before."""
    before = replace(client, known=False, allowed=False) if found.forfeits else client
    return ClientFacts(
        client_class=found.client_class or client.client_class,
        host=client.host if found.host is None else found.host,
        asn=client.asn if found.asn is None else found.asn,
        spf=client.spf if found.spf is None else found.spf,
        spf_domain=client.spf_domain if found.spf_domain is None else found.spf_domain,
        suspicion=client.suspicion + found.suspicion,
        known=before.known or found.known,
        allowed=before.allowed or found.allowed,
    )


def outcome_of(found: Finding, seconds: float) -> Outcome:
    """Return a finding as every check answers. What could not be found out matters while nothing decides."""
    return Outcome(
        check=CHECK,
        status=_status(found),
        signals=found.signals,
        advice=found.advice,
        reason=found.reason,
        detail=found.detail if found.refuses else _sentence(found.detail, found.failed),
        lookups=found.lookups,
        seconds=seconds,
    )


def _status(found: Finding) -> Status:
    if found.failed and not found.refuses and not found.allowed:
        return Status.TEMPERROR
    return Status.HIT if found.signals or found.refuses else Status.OK


def exempt(why: str) -> Outcome:
    """Return the outcome for whom nobody asks about."""
    return Outcome(CHECK, Status.SKIPPED, detail=why)
