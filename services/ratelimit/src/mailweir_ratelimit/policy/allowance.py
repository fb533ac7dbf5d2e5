"""Which outbound limits hold for a user, and where in the policy each comes from."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from mailweir_policy import Policy
from mailweir_policy.allowances import Grants
from mailweir_policy.ratelimit import OutboundLimit
from mailweir_ratelimit.policy.selectors import domain_of, encoded


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
    def _grants(self) -> Grants:
        return Grants(self.policy.ratelimit.outbound)

    def of(self, login: str) -> tuple[Allowance, ...]:
        """Return what holds for mail of a login: its own limit, then its domain's."""
        domain = domain_of(login)
        own = self.user(login)
        return (own, self.domain(domain)) if domain else (own,)

    def user(self, login: str) -> Allowance:
        """Return a user's limit."""
        name = login.casefold()
        granted = self._grants.user(name)
        return Allowance(Kind.USER, name, granted.limit, granted.source)

    def domain(self, name: str) -> Allowance:
        """Return the limit of all users of a domain together."""
        granted = self._grants.domain(name)
        return Allowance(Kind.DOMAIN, name, granted.limit, granted.source)
