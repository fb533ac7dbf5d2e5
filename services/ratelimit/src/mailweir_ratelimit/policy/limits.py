"""Which inbound limits hold for a question, what they take, and what is said when it is too much."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.net import NetworkSet, parse_ip
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import RateLimit, Unit
from mailweir_ratelimit.policy.bucket import Take, Taken
from mailweir_ratelimit.policy.gcra import MILLI, Rate, rate_of
from mailweir_ratelimit.policy.selectors import (
    USER_SELECTORS,
    Facts,
    key_of,
    subject_of,
    values_of,
)

CHECK: Final = "ratelimit"
POSTMASTERS: Final = frozenset({"postmaster", "mailer-daemon", "abuse"})
"""Local parts that mail is always taken of and for (RFC 5321 §4.5.1, RFC 2142)."""
NOTHING: Final = Outcome(CHECK, Status.OK)
_PERIODS: Final[Mapping[float, str]] = MappingProxyType(
    {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One bucket that a question counts in."""

    limit: RateLimit
    subject: str
    take: Take


@dataclass(frozen=True)
class Limits:
    """The inbound limits of a policy, made ready."""

    policy: Policy

    @cached_property
    def by_unit(self) -> Mapping[Unit, tuple[RateLimit, ...]]:
        """Return the limits in force."""
        inbound = [limit for limit in self.policy.ratelimit.limits if limit.enabled]
        return MappingProxyType(
            {unit: tuple(one for one in inbound if one.unit is unit) for unit in Unit}
        )

    @cached_property
    def exempt(self) -> NetworkSet:
        """Return the networks that no limit holds for: whose many clients are one address, and friends."""
        relay = self.policy.relay
        return NetworkSet(
            (
                *self.policy.ratelimit.exempt_networks,
                *relay.proxy_networks,
                *relay.trusted_networks,
            )
        )

    @cached_property
    def _senders(self) -> frozenset[str]:
        return frozenset(self.policy.ratelimit.exempt_senders)

    def exempts_client(self, session: Session, client: ClientFacts) -> bool:
        """Say whether no inbound limit holds for a client."""
        return client.allowed or session.trusted or parse_ip(session.client_ip) in self.exempt

    def exempts_sender(self, sender: str) -> bool:
        """Say whether no inbound limit holds for mail of a sender: bounces, postmasters, exempt ones."""
        return not sender or is_postmaster(sender) or sender.casefold() in self._senders

    def plan(
        self, unit: Unit, facts: Facts, client: ClientClass, amount: int = 1
    ) -> tuple[Planned, ...]:
        """Return the buckets of a unit that count, in the policy's order.

        Of mail of our own users only limits by user: their mail is kept within limits by user and day.
        """
        return tuple(
            self._planned(limit, values, client, amount)
            for limit in self.by_unit[unit]
            if not facts.user or USER_SELECTORS & set(limit.by)
            if (values := values_of(limit, facts))
        )

    def _planned(
        self, limit: RateLimit, values: tuple[str, ...], client: ClientClass, amount: int
    ) -> Planned:
        policy = self.policy.ratelimit
        factors = {ClientClass.GOOD: policy.good_factor, ClientClass.BAD: policy.bad_factor}
        take = Take(
            key_of(limit, values),
            rate_of(limit.count, limit.seconds, limit.burst),
            amount,
            factors.get(client, 1.0) if limit.scaled else 1.0,
            corrected=limit.scaled and policy.correct,
        )
        return Planned(limit, subject_of(limit, values), take)


def is_postmaster(address: str) -> bool:
    """Say whether an address is one that must always be reachable."""
    return address.rpartition("@")[0].casefold() in POSTMASTERS or (
        "@" not in address and address.casefold() in POSTMASTERS
    )


def refusal(planned: Planned, taken: Taken, advice: Advice) -> Outcome:
    """Return what is said when a bucket is full."""
    return Outcome(
        CHECK,
        Status.HIT,
        advice=advice,
        reason=Reason.RATE_LIMITED,
        detail=f"{in_words(planned.limit, taken.rate)} {planned.subject}, "
        f"next in {wait_in_words(taken.next_seconds)}",
    )


def failure(failures: Iterable[str]) -> Outcome:
    """Return what is said when something was not counted; mail passes."""
    return Outcome(
        CHECK, Status.TEMPERROR, detail=f"not counted: {next(iter(failures), 'unknown')}"
    )


def in_words(limit: RateLimit, rate: Rate) -> str:
    """Return `60 connections a minute`."""
    count = max(1, round(rate.milli / MILLI))
    noun = limit.unit.value if count != 1 else limit.unit.value[:-1]
    return f"{count} {noun} {period_in_words(rate.seconds)}"


def period_in_words(seconds: float) -> str:
    """Return `a minute`, or `in 5 min`."""
    return _PERIODS.get(seconds) or f"in {wait_in_words(seconds)}"


def wait_in_words(seconds: float) -> str:
    """Return a time to wait, rounded up: `12 s`, `5 min`, `3 h`."""
    whole = max(1, math.ceil(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{math.ceil(whole / 60)} min"
    return f"{math.ceil(whole / 3600)} h"
