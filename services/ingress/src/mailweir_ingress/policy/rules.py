"""A policy snapshot in the form that sessions ask it: sets and tables made once per version."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mailweir_core.net import NetworkSet
from mailweir_policy import LocalDomain, Policy
from mailweir_policy.ratelimit import Unit


@dataclass(frozen=True, slots=True)
class Rules:
    """One policy version, compiled."""

    policy: Policy
    version: str
    hostname: str
    trusted: NetworkSet
    unscanned: NetworkSet
    proxies: NetworkSet
    never_banned: NetworkSet
    """Clients that no offence bans; proxies and trusted networks are among them."""
    traps: frozenset[str]
    """Recipients that only who harvests addresses writes to, in the form that is compared."""
    counts_messages: bool
    """Whether a limit of inbound mail counts messages or bytes."""
    unhurried: NetworkSet
    """Clients that never wait for the banner."""
    domains: Mapping[str, LocalDomain]
    """Local domains by name."""
    postmaster_domain: str
    """Where a bare `<postmaster>` lives: the first local domain, or empty."""


def compile_rules(policy: Policy, version: str) -> Rules:
    """Return the rules of a policy. Its networks were checked when it was read."""
    relay = policy.relay
    return Rules(
        policy=policy,
        version=version,
        hostname=policy.identity.hostname,
        trusted=NetworkSet(relay.trusted_networks),
        unscanned=NetworkSet(relay.unscanned_networks),
        proxies=NetworkSet(relay.proxy_networks),
        never_banned=NetworkSet(
            (
                *policy.ratelimit.intrusion.never,
                *relay.proxy_networks,
                *relay.trusted_networks,
            )
        ),
        traps=frozenset(policy.ratelimit.intrusion.traps),
        counts_messages=any(
            limit.enabled and limit.unit in (Unit.MESSAGES, Unit.BYTES)
            for limit in policy.ratelimit.limits
        ),
        unhurried=NetworkSet(policy.edge.wait.exempt_networks),
        domains=MappingProxyType({domain.name: domain for domain in relay.domains}),
        postmaster_domain=relay.domains[0].name if relay.domains else "",
    )
