"""Which hosts take a domain's mail, from what the DNS said (RFC 5321 §5.1, RFC 7505)."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_delivery.policy.replies import Ending, deferred, failed
from mailweir_delivery.policy.routing import Hop, Kind, MxOf

MAX_EXCHANGERS: Final = 20
"""Exchangers of a domain that are looked at, the most preferred ones."""


@dataclass(frozen=True, slots=True)
class Exchanger:
    """One mail exchanger with its addresses; none where it has none."""

    preference: int
    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchangers:
    """The exchangers of a domain. `incomplete`: an address look-up failed for the time being."""

    hosts: tuple[Exchanger, ...]
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class NullMx:
    """The domain says that it takes no mail (RFC 7505)."""


@dataclass(frozen=True, slots=True)
class NoDomain:
    """There is no such domain, or nothing in it that could take mail."""

    detail: str = "no such domain"


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """The DNS did not answer."""

    detail: str


MxAnswer = Exchangers | NullMx | NoDomain | LookupFailed


def literal_address(domain: str) -> str | None:
    """Return the address in a domain literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`), or None."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inner = domain[1:-1]
    address = parse_ip(inner[5:] if inner[:5].casefold() == "ipv6:" else inner)
    return None if address is None else str(address)


def candidates(
    destination: MxOf, answer: MxAnswer, own_name: str, ref: str
) -> tuple[Hop, ...] | Ending:
    """Return the hosts to try in this order, or why there is none.

    Hosts that are no better than ourselves are left out: they would send the mail back (RFC 5321 §5.1).
    Hosts of equal preference are shuffled by the reference, so that mail spreads over them.
    """
    domain = destination.domain
    match answer:
        case NullMx():
            return failed("5.1.10", f"{domain} takes no mail (null MX)")
        case NoDomain(detail):
            return failed("5.1.2", f"{domain}: {detail}")
        case LookupFailed(detail):
            return deferred("4.4.3", f"looking up {domain}: {detail}")
        case Exchangers(hosts, incomplete):
            return _reachable(destination, hosts, own_name, ref) or _unreachable(
                domain, hosts, own_name, incomplete=incomplete
            )


def _reachable(
    destination: MxOf, hosts: Iterable[Exchanger], own_name: str, ref: str
) -> tuple[Hop, ...]:
    better = sorted(_better(hosts, own_name), key=lambda h: (h.preference, _shuffle(h.name, ref)))
    return tuple(
        Hop(Kind.SMTP, host.name, destination.port, address=address)
        for host in better[:MAX_EXCHANGERS]
        for address in host.addresses
    )


def _better(hosts: Iterable[Exchanger], own_name: str) -> tuple[Exchanger, ...]:
    every = tuple(hosts)
    ours = [h.preference for h in every if h.name.casefold() == own_name.casefold()]
    return tuple(h for h in every if not ours or h.preference < min(ours))


def _shuffle(name: str, ref: str) -> bytes:
    return blake2b(f"{ref}.{name}".encode(), digest_size=8).digest()


def _unreachable(
    domain: str, hosts: tuple[Exchanger, ...], own_name: str, *, incomplete: bool
) -> Ending:
    if hosts and not _better(hosts, own_name):
        return failed("5.4.6", f"{domain}: the best mail exchanger is this gateway itself")
    if incomplete:
        return deferred("4.4.3", f"{domain}: no address of a mail exchanger could be looked up")
    return failed("5.4.4", f"{domain}: no mail exchanger has an address")
