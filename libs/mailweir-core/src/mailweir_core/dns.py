"""DNS questions and answers as values: what evaluators ask (`asking`), what a resolver gives."""

from dataclasses import dataclass
from enum import StrEnum


class RecordType(StrEnum):
    """The record types that anything here asks for."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"
    PTR = "PTR"


class DnsStatus(StrEnum):
    """How a question ended. A failure is a value."""

    OK = "ok"  # there are records
    NODATA = "nodata"  # the name exists, but has no record of that type
    NXDOMAIN = "nxdomain"  # there is no such name
    TEMPERROR = "temperror"  # no answer in time, SERVFAIL, REFUSED, or look-ups are switched off


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """A name (lower case, no dot at its end; IDNA already in A-labels) and a type."""

    name: str
    type: RecordType


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What came of a question.

    `records` by type: A and AAAA an address; MX `preference host`; TXT its strings joined, each octet one
    character (latin-1); PTR a host. Names are lower case without the dot at their end. `ttl` is in seconds.
    `detail` says what failed.
    """

    status: DnsStatus
    records: tuple[str, ...] = ()
    ttl: float = 0.0
    detail: str = ""
