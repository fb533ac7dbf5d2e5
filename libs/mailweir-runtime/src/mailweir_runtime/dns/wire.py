"""Questions and answers as DNS messages (RFC 1035 §4), aliases followed as far as the answer leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus

UDP_BYTES: Final = 1232
"""What fits a datagram without fragments on every usual path (EDNS, RFC 6891)."""
MAX_RECORDS: Final = 256
"""Records of one answer that are looked at."""
MAX_ALIASES: Final = 8
UNTOLD_SECONDS: Final = 5.0
"""How long "there is none" holds where no SOA says it (RFC 2308 §5 would not keep it at all)."""


class NoSuchName(Exception):
    """Raised for a text that can be no domain name."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The answer ends at an alias whose target it does not give; the target is to be asked."""

    name: str
    ttl: float


class Unusable(StrEnum):
    """Why a response gives no answer."""

    STRAY = "stray"  # not to our question: another id, name or type, or no response at all
    TRUNCATED = "truncated"  # to be asked again over TCP
    FAILED = "failed"  # the server says that it cannot or will not


@dataclass(frozen=True, slots=True)
class Query:
    """A question in wire form, and what its answer must match."""

    wire: bytes
    message: dns.message.Message
    name: dns.name.Name
    type: dns.rdatatype.RdataType


def name_of(text: str) -> dns.name.Name:
    """Return the absolute name of a text in A-labels; raises NoSuchName.

    The text is no zone file: a backslash is a backslash.
    """
    try:
        labels = text.removesuffix(".").encode("ascii").split(b".")
        return dns.name.Name((*labels, b"")) if labels != [b""] else dns.name.root
    except (UnicodeEncodeError, dns.exception.DNSException) as error:
        raise NoSuchName(type(error).__name__) from error


def make_query(question: DnsQuestion) -> Query:
    """Return a query with a new random id; raises NoSuchName."""
    name, kind = name_of(question.name), dns.rdatatype.from_text(question.type)
    message = dns.message.make_query(name, kind, use_edns=0, payload=UDP_BYTES)
    return Query(message.to_wire(), message, name, kind)


def read_response(query: Query, wire: bytes, *, tcp: bool) -> DnsAnswer | Alias | Unusable:
    """Return what a response says; never raises, whatever the octets are."""
    if wire[:2] != query.wire[:2]:
        return Unusable.STRAY  # the cheap part of the check first
    try:
        response = dns.message.from_wire(wire, ignore_trailing=True)
        if not query.message.is_response(response):
            return Unusable.STRAY
        if response.flags & dns.flags.TC:
            return Unusable.FAILED if tcp else Unusable.TRUNCATED
        return _answer(query, response)
    except (dns.exception.DNSException, ValueError, IndexError):
        return Unusable.STRAY


def _answer(query: Query, response: dns.message.Message) -> DnsAnswer | Alias | Unusable:
    code = response.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Unusable.FAILED
    name, ttl, found = _follow(query, response)
    if found is not None:
        return DnsAnswer(DnsStatus.OK, tuple(_texts(found)), min(ttl, float(found.ttl)))
    if code == dns.rcode.NOERROR and name != query.name and not _tells_none(response):
        return Alias(name.to_text(omit_final_dot=True).lower(), ttl)
    status = DnsStatus.NXDOMAIN if code == dns.rcode.NXDOMAIN else DnsStatus.NODATA
    return DnsAnswer(status, (), min(ttl, _negative_ttl(response)))


def _follow(
    query: Query, response: dns.message.Message
) -> tuple[dns.name.Name, float, dns.rrset.RRset | None]:
    """Go along the aliases of the answer: the last name, the shortest TTL, the records if they are there."""
    name, ttl = query.name, float("inf")
    for _ in range(MAX_ALIASES):
        found = _find(response, name, query.type)
        alias = _find(response, name, dns.rdatatype.CNAME)
        if found is not None or alias is None:
            return name, ttl, found
        ttl = min(ttl, float(alias.ttl))
        name = alias[0].target
    raise ValueError("too many aliases")


def _find(
    response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    found = response.get_rrset(response.answer, name, dns.rdataclass.IN, kind)
    return found or None


def _tells_none(response: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)


def _negative_ttl(response: dns.message.Message) -> float:
    """RFC 2308 §5: the lesser of the SOA's own TTL and its MINIMUM."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA and rrset:
            return float(min(rrset.ttl, rrset[0].minimum))
    return UNTOLD_SECONDS


def _texts(rrset: dns.rrset.RRset) -> Iterator[str]:
    for record in list(rrset)[:MAX_RECORDS]:
        yield _text(record)


def _text(record: dns.rdata.Rdata) -> str:
    """Return a record as `DnsAnswer` has it."""
    if record.rdtype == dns.rdatatype.TXT:
        strings: tuple[bytes, ...] = record.strings  # type: ignore[attr-defined]  # of a TXT record
        return b"".join(strings).decode("latin-1")
    text = record.to_text().lower()
    return text if text.endswith(" .") else text.removesuffix(".")
