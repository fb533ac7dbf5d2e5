"""Whether a sender's domain exists and takes mail."""

from enum import StrEnum
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.dns import DnsQuestion, DnsStatus, RecordType
from mailweir_mail.auth.names import ask_name

_NULL_MX: Final = {".", ""}
"""The root, with its dot or without."""


class SenderDomain(StrEnum):
    """What the DNS says of a sender's domain."""

    EXISTS = "exists"
    MISSING = "missing"  # no such name, or neither exchangers nor an address
    TAKES_NO_MAIL = "takes-no-mail"  # null MX (RFC 7505)
    UNKNOWN = "unknown"  # it could not be found out


def find_domain(domain: str) -> Asking[SenderDomain]:
    """Ask for exchangers, and for addresses where there are none (RFC 5321 §5.1)."""
    name = ask_name(domain)
    if name is None or domain.startswith("["):
        return SenderDomain.EXISTS  # an address: nothing to ask for
    (exchangers,) = yield (DnsQuestion(name, RecordType.MX),)
    match exchangers.status:
        case DnsStatus.TEMPERROR:
            return SenderDomain.UNKNOWN
        case DnsStatus.NXDOMAIN:
            return SenderDomain.MISSING
    hosts = {record.partition(" ")[2] for record in exchangers.records}
    if hosts:
        return SenderDomain.TAKES_NO_MAIL if hosts <= _NULL_MX else SenderDomain.EXISTS
    answers = yield (DnsQuestion(name, RecordType.A), DnsQuestion(name, RecordType.AAAA))
    if any(answer.records for answer in answers):
        return SenderDomain.EXISTS
    failed = any(answer.status is DnsStatus.TEMPERROR for answer in answers)
    return SenderDomain.UNKNOWN if failed else SenderDomain.MISSING
