"""Which way a recipient's mail goes: the destination behind an address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from mailweir_policy import DeliveryPolicy, Policy

SMTP_PORT: Final = 25
LMTP_PORT: Final = 24  # as in RFC 2033's examples; no port is assigned


class Kind(StrEnum):
    """How a next hop is spoken to."""

    SMTP = "smtp"
    LMTP = "lmtp"
    MAILDIR = "maildir"


class Tls(StrEnum):
    """How much encryption a destination asks for; `required` also verifies the certificate."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Hop:
    """One next hop. `address` is where to connect to if it is not to be looked up from `host`."""

    kind: Kind
    host: str = ""
    port: int = 0
    path: str = ""
    address: str = ""

    def __str__(self) -> str:
        """Return `host:port`, or the path of a Maildir."""
        if self.kind is Kind.MAILDIR:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FixedHops:
    """Next hops that the policy names, tried in this order."""

    hops: tuple[Hop, ...]
    tls: Tls = Tls.OPPORTUNISTIC

    def __str__(self) -> str:
        """Return the hops, separated by commas."""
        return ",".join(map(str, self.hops))


@dataclass(frozen=True, slots=True)
class MxOf:
    """The mail exchangers of a domain (RFC 5321 §5.1); a domain literal is its own exchanger."""

    domain: str
    port: int = SMTP_PORT
    tls: Tls = Tls.OPPORTUNISTIC

    def __str__(self) -> str:
        """Return the domain with a prefix that tells it from a host."""
        return f"mx:{self.domain}"


Destination = FixedHops | MxOf
"""Recipients of equal destinations share a transaction; a destination has one window."""


@dataclass(frozen=True, slots=True)
class NoRoute:
    """A local recipient that the policy names no next hop for; kept until an admin adds one."""

    detail: str


def hop_from(url: str) -> Hop:
    """Return the next hop of a checked policy URL."""
    parts = urlsplit(url)
    kind = Kind(parts.scheme)
    if kind is Kind.MAILDIR:
        return Hop(kind, path=parts.path)
    return Hop(kind, parts.hostname or "", parts.port or _default_port(kind))


def _default_port(kind: Kind) -> int:
    return LMTP_PORT if kind is Kind.LMTP else SMTP_PORT


def ascii_domain(domain: str) -> str:
    """Return a domain in its A-label form; as it was where it has none."""
    if domain.isascii():
        return domain.lower()
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return domain


class Router:
    """The routing table of one policy version; immutable."""

    __slots__ = ("_any", "_default_domain", "_delivery", "_local", "_outbound", "_routes")

    def __init__(self, policy: Policy) -> None:
        """Work out the table, so that a recipient costs one look-up."""
        delivery = policy.delivery
        table = {
            route.domain: FixedHops(tuple(map(hop_from, route.next_hops)), Tls(route.tls))
            for route in delivery.routes
        }
        self._any = table.pop("*", None)
        self._routes = table
        self._local = frozenset(domain.name for domain in policy.relay.domains)
        self._default_domain = ascii_domain(policy.identity.postmaster.rpartition("@")[2])
        self._delivery = delivery
        self._outbound = _smarthost(delivery)

    def way(self, recipient: str) -> Destination | NoRoute:
        """Return where mail for `local@domain` goes; a bare `postmaster` is the gateway's own."""
        _, at, domain = recipient.rpartition("@")
        domain = ascii_domain(domain) if at else self._default_domain
        if own := self._routes.get(domain):
            return own
        if domain in self._local or not at:
            return self._any or NoRoute(f"no route for the local domain {domain}")
        if self._outbound is not None:
            return self._outbound
        return MxOf(domain, self._delivery.outbound_port, Tls(self._delivery.outbound_tls))

    def group(
        self, recipients: Iterable[str]
    ) -> tuple[Mapping[Destination, tuple[str, ...]], Mapping[str, NoRoute]]:
        """Return recipients by destination, in the order given, and those without a route."""
        groups: dict[Destination, tuple[str, ...]] = {}
        lost: dict[str, NoRoute] = {}
        for recipient in recipients:
            way = self.way(recipient)
            if isinstance(way, NoRoute):
                lost[recipient] = way
            else:
                groups[way] = (*groups.get(way, ()), recipient)
        return groups, lost


def _smarthost(delivery: DeliveryPolicy) -> FixedHops | None:
    if delivery.outbound != "smarthost" or delivery.smarthost is None:
        return None
    return FixedHops((hop_from(delivery.smarthost),), Tls(delivery.outbound_tls))
