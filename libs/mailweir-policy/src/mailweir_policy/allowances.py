"""Which outbound limits hold for a user and for a domain, and where in the policy each comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mailweir_policy.ratelimit import DomainLimit, OutboundLimit, OutboundPolicy, UserLimit

BASE: Final = "ratelimit.outbound"
UNLIMITED: Final = OutboundLimit()


@dataclass(frozen=True, slots=True)
class Granted:
    """What may be sent in a day, and the path in the policy that says so."""

    limit: OutboundLimit
    source: str


@dataclass(frozen=True)
class Grants:
    """The outbound limits of a policy, made ready to be looked up."""

    outbound: OutboundPolicy

    @cached_property
    def _users(self) -> Mapping[str, UserLimit]:
        return {one.login: one for one in self.outbound.users} if self.outbound.overrides else {}

    @cached_property
    def _domains(self) -> Mapping[str, DomainLimit]:
        return {one.domain: one for one in self.outbound.domains}

    def user(self, login: str) -> Granted:
        """Return a user's limit: its own, else its domain's for each user, else the general one."""
        name = login.casefold()
        if not self.outbound.user_limits:
            return Granted(UNLIMITED, f"{BASE}.user_limits")
        override = self._users.get(name)
        if override is not None:
            return Granted(override.limit, f"{BASE}.users[{name}].limit")
        domain = self._domains.get(name.rpartition("@")[2])
        if domain is not None and domain.users is not None:
            return Granted(domain.users, f"{BASE}.domains[{domain.domain}].users")
        return Granted(self.outbound.default_user, f"{BASE}.default_user")

    def domain(self, name: str) -> Granted:
        """Return the limit of all users of a domain together; unlimited where the policy names none."""
        found = self._domains.get(name)
        if not self.outbound.domain_limits:
            return Granted(UNLIMITED, f"{BASE}.domain_limits")
        if found is None:
            return Granted(UNLIMITED, f"{BASE}.domains")
        return Granted(found.total, f"{BASE}.domains[{name}].total")
