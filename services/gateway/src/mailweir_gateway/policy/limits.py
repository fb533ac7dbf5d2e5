"""A policy with other outbound limits."""

from mailweir_policy import Policy
from mailweir_policy.ratelimit import DomainLimit, OutboundPolicy, UserLimit


def with_user(policy: Policy, wanted: UserLimit) -> Policy:
    """Return the policy with a user's own limit, in place of what it had."""
    others = (one for one in _outbound(policy).users if one.login != wanted.login)
    users = tuple(sorted((*others, wanted), key=lambda one: one.login))
    return _changed(policy, _outbound(policy).model_copy(update={"users": users}))


def without_user(policy: Policy, login: str) -> Policy:
    """Return the policy without a user's own limit."""
    users = tuple(one for one in _outbound(policy).users if one.login != login)
    return _changed(policy, _outbound(policy).model_copy(update={"users": users}))


def with_domain(policy: Policy, wanted: DomainLimit) -> Policy:
    """Return the policy with a domain's limits, in place of what it had."""
    others = (one for one in _outbound(policy).domains if one.domain != wanted.domain)
    domains = tuple(sorted((*others, wanted), key=lambda one: one.domain))
    return _changed(policy, _outbound(policy).model_copy(update={"domains": domains}))


def without_domain(policy: Policy, domain: str) -> Policy:
    """Return the policy without a domain's limits."""
    domains = tuple(one for one in _outbound(policy).domains if one.domain != domain)
    return _changed(policy, _outbound(policy).model_copy(update={"domains": domains}))


def _outbound(policy: Policy) -> OutboundPolicy:
    return policy.ratelimit.outbound


def _changed(policy: Policy, outbound: OutboundPolicy) -> Policy:
    ratelimit = policy.ratelimit.model_copy(update={"outbound": outbound})
    return policy.model_copy(update={"ratelimit": ratelimit})
