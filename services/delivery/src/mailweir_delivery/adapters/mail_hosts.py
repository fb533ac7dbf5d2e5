"""Mail exchangers from the DNS, the implicit one (RFC 5321 §5.1) and the null one (RFC 7505) included."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_delivery.policy.mx import (
    MAX_EXCHANGERS,
    Exchanger,
    Exchangers,
    LookupFailed,
    MxAnswer,
    NoDomain,
    NullMx,
)
from mailweir_runtime.dns import Resolver

LOOKUP_SECONDS: Final = 10.0
"""Longest time for one round of questions, retries included."""


class DnsMailHosts:
    """Asks a resolver, which keeps the answers."""

    def __init__(self, resolver: Resolver) -> None:
        """Take the resolver."""
        self._resolver = resolver

    async def find(self, domain: str) -> MxAnswer:
        """Return who takes the mail of a domain."""
        (found,) = await self._ask(DnsQuestion(domain, RecordType.MX))
        match found.status:
            case DnsStatus.TEMPERROR:
                return LookupFailed(found.detail)
            case DnsStatus.NXDOMAIN:
                return NoDomain()
            case DnsStatus.NODATA:
                return await self._implicit(domain)
            case DnsStatus.OK:
                return await self._listed(found.records)

    async def _listed(self, records: Sequence[str]) -> MxAnswer:
        listed = sorted(map(_exchanger, records), key=lambda host: host.preference)
        if [host.name for host in listed] == [""]:
            return NullMx()
        hosts, failure = await self._with_addresses(listed[:MAX_EXCHANGERS])
        return Exchangers(hosts, incomplete=bool(failure))

    async def _implicit(self, domain: str) -> MxAnswer:
        hosts, failure = await self._with_addresses([Exchanger(0, domain)])
        if hosts[0].addresses:
            return Exchangers(hosts, incomplete=bool(failure))
        if failure:
            return LookupFailed(failure)
        return NoDomain("no mail exchanger and no address")

    async def _with_addresses(self, hosts: list[Exchanger]) -> tuple[tuple[Exchanger, ...], str]:
        """Return the hosts with their addresses, and why some of these could not be looked up."""
        answers = await self._ask(
            *(
                DnsQuestion(host.name, kind)
                for host in hosts
                for kind in (RecordType.A, RecordType.AAAA)
            )
        )
        resolved = tuple(
            replace(host, addresses=(*four.records, *six.records))
            for host, four, six in zip(hosts, answers[::2], answers[1::2], strict=True)
        )
        failed = (answer.detail for answer in answers if answer.status is DnsStatus.TEMPERROR)
        return resolved, next(failed, "")

    async def _ask(self, *questions: DnsQuestion) -> tuple[DnsAnswer, ...]:
        return await self._resolver.resolve(questions, LOOKUP_SECONDS)


def _exchanger(text: str) -> Exchanger:
    preference, _, name = text.partition(" ")
    return Exchanger(int(preference), name.rstrip("."))
