"""Which outbound limits hold for a user, and where in the policy each comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from mailweir_policy import Policy
from mailweir_policy.ratelimit import DomainLimit, OutboundLimit, UserLimit
from mailweir_ratelimit.policy.selectors import domain_of, encoded

BASE: Final = "ratelimit.outbound"
UNLIMITED: Final = OutboundLimit()


class Kind(StrEnum):
    """Whose limit it is."""

    USER = "user"
    DOMAIN = "domain"


KEYS: Final = MappingProxyType({Kind.USER: "u.", Kind.DOMAIN: "d."})
"""How the keys of the quotas of each kind begin."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a user, or all users of a domain, may send in a day. `source`: a path in the policy."""

    kind: Kind
    subject: str
    limit: OutboundLimit
    source: str

    @property
    def key(self) -> str:
        """Return the key of its quota."""
        return KEYS[self.kind] + encoded(self.subject)


@dataclass(frozen=True)
class Allowances:
    """The outbound limits of a policy, made ready."""

    policy: Policy

    @cached_property
    def _users(self) -> Mapping[str, UserLimit]:
        outbound = self.policy.ratelimit.outbound
        return {one.login: one for one in outbound.users} if outbound.overrides else {}

    @cached_property
    def _domains(self) -> Mapping[str, DomainLimit]:
        return {one.domain: one for one in self.policy.ratelimit.outbound.domains}

    def of(self, login: str) -> tuple[Allowance, ...]:
        """Return what holds for mail of a login: its own limit, then its domain's."""
        domain = domain_of(login)
        own = self.user(login)
        return (own, self.domain(domain)) if domain else (own,)

    def user(self, login: str) -> Allowance:
        """Return a user's limit: its own, else its domain's for each user, else the general one."""
        name = login.casefold()
        outbound = self.policy.ratelimit.outbound
        if not outbound.user_limits:
            return Allowance(Kind.USER, name, UNLIMITED, f"{BASE}.user_limits")
        override, domain = self._users.get(name), self._domains.get(domain_of(name))
        if override is not None:
            return Allowance(Kind.USER, name, override.limit, f"{BASE}.users[{name}].limit")
        if domain is not None and domain.users is not None:
            source = f"{BASE}.domains[{domain.domain}].users"
            return Allowance(Kind.USER, name, domain.users, source)
        return Allowance(Kind.USER, name, outbound.default_user, f"{BASE}.default_user")

    def domain(self, name: str) -> Allowance:
        """Return the limit of all users of a domain together; unlimited where the policy names none."""
        found = self._domains.get(name)
        if not self.policy.ratelimit.outbound.domain_limits:
            return Allowance(Kind.DOMAIN, name, UNLIMITED, f"{BASE}.domain_limits")
        if found is None:
            return Allowance(Kind.DOMAIN, name, UNLIMITED, f"{BASE}.domains")
        return Allowance(Kind.DOMAIN, name, found.total, f"{BASE}.domains[{name}].total")
