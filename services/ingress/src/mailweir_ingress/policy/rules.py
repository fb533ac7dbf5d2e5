"""A policy snapshot in the form that sessions ask it: sets and tables made once per version."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mailweir_core.net import NetworkSet
from mailweir_policy import LocalDomain, Policy
from mailweir_policy.ratelimit import RatelimitPolicy, Unit


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
    uncounted: NetworkSet
    """Clients that no limit of inbound mail holds for; proxies and trusted networks are among them."""
    counts: frozenset[Unit]
    """What is counted of inbound mail, if anything is."""
    unhurried: NetworkSet
    """Clients that never wait for the banner."""
    domains: Mapping[str, LocalDomain]
    """Local domains by name."""
    postmaster_domain: str
    """Where a bare `<postmaster>` lives: the first local domain, or empty."""


def compile_rules(policy: Policy, version: str) -> Rules:
    """Return the rules of a policy. Its networks were checked when it was read."""
    relay = policy.relay
    ours = (*relay.proxy_networks, *relay.trusted_networks)
    return Rules(
        policy=policy,
        version=version,
        hostname=policy.identity.hostname,
        trusted=NetworkSet(relay.trusted_networks),
        unscanned=NetworkSet(relay.unscanned_networks),
        proxies=NetworkSet(relay.proxy_networks),
        never_banned=NetworkSet((*policy.ratelimit.intrusion.never, *ours)),
        traps=frozenset(policy.ratelimit.intrusion.traps),
        uncounted=NetworkSet((*policy.ratelimit.exempt_networks, *ours)),
        counts=_counts(policy.ratelimit),
        unhurried=NetworkSet(policy.edge.wait.exempt_networks),
        domains=MappingProxyType({domain.name: domain for domain in relay.domains}),
        postmaster_domain=relay.domains[0].name if relay.domains else "",
    )


def _counts(policy: RatelimitPolicy) -> frozenset[Unit]:
    """Return the units of the limits in force; intrusion prevention may count connections too."""
    intrusion = policy.intrusion
    watched = intrusion.enabled and intrusion.rules.connections.enabled
    limits = {limit.unit for limit in policy.limits if limit.enabled}
    return frozenset(limits | ({Unit.CONNECTIONS} if watched else set()))
