"""Mail exchangers from the DNS: MX with addresses, cached, one question at a time for each name."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from mailweir_core.clock import Clock
from mailweir_delivery.policy.mx import (
    MAX_EXCHANGERS,
    Exchanger,
    Exchangers,
    LookupFailed,
    MxAnswer,
    NoDomain,
    NullMx,
)

LOOKUP_SECONDS: Final = 10.0
"""Longest time for one question, retries included."""
CACHE_ENTRIES: Final = 20_000
SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 3600.0
"""Bounds of how long an answer is kept, whatever its TTL says."""
NEGATIVE_SECONDS: Final = 300.0
FAILURE_SECONDS: Final = 5.0
"""A name server that fails is not asked again for the same name before this."""

_NO_NAMES: Final = (
    dns.resolver.NXDOMAIN,
    dns.exception.SyntaxError,
    dns.exception.FormError,
    dns.name.IDNAException,
)
"""There is no such name, or there can be none."""


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: MxAnswer
    until: float


@dataclass(frozen=True, slots=True)
class _Records:
    """What one question brought: texts and their TTL; `failed` where nobody answered."""

    values: tuple[str, ...] = ()
    ttl: float = NEGATIVE_SECONDS
    no_name: bool = False
    failed: str = ""


class DnsMailHosts:
    """Asks one resolver. Implements RFC 5321 §5.1 (implicit MX) and RFC 7505 (null MX)."""

    def __init__(self, resolver: dns.asyncresolver.Resolver, clock: Clock) -> None:
        """Begin with an empty cache."""
        self._resolver = resolver
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, tuple[asyncio.Lock, int]] = {}

    async def find(self, domain: str) -> MxAnswer:
        """Return who takes the mail of a domain."""
        with self._turn(domain) as lock:
            async with lock:
                kept = self._kept.get(domain)
                if kept is not None and kept.until > self._clock.monotonic():
                    return kept.answer
                answer, ttl = await self._look_up(domain)
                self._keep(domain, answer, ttl)
                return answer

    @contextmanager
    def _turn(self, domain: str) -> Iterator[asyncio.Lock]:
        """Share a lock among those who want the same name, for as long as there is one."""
        lock, users = self._asking.get(domain, (asyncio.Lock(), 0))
        self._asking[domain] = (lock, users + 1)
        try:
            yield lock
        finally:
            lock, users = self._asking.pop(domain)
            if users > 1:
                self._asking[domain] = (lock, users - 1)

    def _keep(self, domain: str, answer: MxAnswer, ttl: float) -> None:
        self._kept.pop(domain, None)
        if len(self._kept) >= CACHE_ENTRIES:
            del self._kept[next(iter(self._kept))]
        self._kept[domain] = _Kept(answer, self._clock.monotonic() + ttl)

    async def _look_up(self, domain: str) -> tuple[MxAnswer, float]:
        found = await self._ask(domain, dns.rdatatype.MX)
        if found.failed:
            return LookupFailed(found.failed), FAILURE_SECONDS
        if found.no_name:
            return NoDomain(), found.ttl
        if not found.values:
            return await self._implicit(domain)
        listed = sorted(map(_exchanger, found.values), key=lambda host: host.preference)
        if [host.name for host in listed] == [""]:
            return NullMx(), found.ttl
        return await self._with_addresses(listed[:MAX_EXCHANGERS], found.ttl)

    async def _implicit(self, domain: str) -> tuple[MxAnswer, float]:
        answer, ttl = await self._with_addresses([Exchanger(0, domain)], LONGEST_SECONDS)
        match answer:
            case Exchangers((Exchanger(addresses=()),), True):
                return LookupFailed("no name server answered"), FAILURE_SECONDS
            case Exchangers((Exchanger(addresses=()),)):
                return NoDomain("no mail exchanger and no address"), NEGATIVE_SECONDS
        return answer, ttl

    async def _with_addresses(self, hosts: list[Exchanger], ttl: float) -> tuple[Exchangers, float]:
        async with asyncio.TaskGroup() as tasks:
            asked = [
                (tasks.create_task(self._ask(h.name, kind)))
                for h in hosts
                for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            ]
        records = [task.result() for task in asked]
        resolved = tuple(
            replace(host, addresses=(*four.values, *six.values))
            for host, four, six in zip(hosts, records[::2], records[1::2], strict=True)
        )
        incomplete = any(r.failed for r in records)
        shortest = min([ttl, *(r.ttl for r in records if r.values)])
        return Exchangers(resolved, incomplete), FAILURE_SECONDS if incomplete else _bounded(
            shortest
        )

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> _Records:
        try:
            absolute = dns.name.from_text(name).canonicalize()
            answer = await self._resolver.resolve(
                absolute, kind, raise_on_no_answer=False, search=False, lifetime=LOOKUP_SECONDS
            )
        except _NO_NAMES:
            return _Records(no_name=True)
        except dns.exception.DNSException as error:
            return _Records(failed=_short(error))
        except OSError as error:
            return _Records(failed=str(error))
        values = tuple(record.to_text() for record in answer.rrset or ())
        return _Records(
            values, _bounded(float(answer.rrset.ttl)) if answer.rrset else NEGATIVE_SECONDS
        )


def _bounded(ttl: float) -> float:
    return min(max(ttl, SHORTEST_SECONDS), LONGEST_SECONDS)


def _short(error: Exception) -> str:
    return (
        "no answer in time"
        if isinstance(error, dns.exception.Timeout)
        else "no name server answered"
    )


def _exchanger(text: str) -> Exchanger:
    preference, _, name = text.partition(" ")
    return Exchanger(int(preference), name.rstrip(".").lower())


def make_resolver(nameserver: tuple[str, int] | None) -> dns.asyncresolver.Resolver:
    """Return a resolver that asks one name server, or the system's where None.

    Raises dns.resolver.NoResolverConfiguration where the system has none.
    """
    resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
    if nameserver is not None:
        resolver.nameservers = [nameserver[0]]
        resolver.port = nameserver[1]
    resolver.cache = None
    resolver.timeout = LOOKUP_SECONDS / 4
    return resolver
