"""iprev (RFC 8601 §3): the names of a client's address that lead back to it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.dns import DnsQuestion, DnsStatus, RecordType
from mailweir_core.net import Address, parse_ip

from .names import ask_name

MAX_NAMES: Final = 10  # RFC 8601 §3 asks for a limit against an address with very many names


class IprevStatus(StrEnum):
    """The results of RFC 8601 §2.7.3."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"  # no name, or none that leads back
    TEMPERROR = "temperror"
    PERMERROR = "permerror"  # what the reverse zone holds is no name


@dataclass(frozen=True, slots=True)
class IprevResult:
    """`names` lead back to the address, in the order of the answer; `claimed` are all that it claims."""

    result: IprevStatus
    names: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    detail: str = ""

    @property
    def name(self) -> str:
        """Return the first confirmed name, or the empty string."""
        return self.names[0] if self.names else ""


def check(ip: Address) -> Asking[IprevResult]:
    """Ask for the names of an address, and for the addresses of those names."""
    (reverse,) = yield (DnsQuestion(ip.reverse_pointer, RecordType.PTR),)
    if reverse.status is DnsStatus.TEMPERROR:
        return IprevResult(IprevStatus.TEMPERROR, detail=reverse.detail)
    if not reverse.records:
        return IprevResult(IprevStatus.FAIL, detail="no name")
    names = tuple(dict.fromkeys(filter(None, map(ask_name, reverse.records[:MAX_NAMES]))))
    if not names:
        return IprevResult(IprevStatus.PERMERROR, detail="not a name")
    kind = RecordType.A if ip.version == 4 else RecordType.AAAA
    answers = yield tuple(DnsQuestion(name, kind) for name in names)
    pairs = tuple(zip(names, answers, strict=True))
    own = tuple(name for name, answer in pairs if _leads_to(answer.records, ip))
    if own:
        return IprevResult(IprevStatus.PASS, own, names)
    if any(answer.status is DnsStatus.TEMPERROR for _, answer in pairs):
        return IprevResult(IprevStatus.TEMPERROR, (), names, "a name could not be looked up")
    return IprevResult(IprevStatus.FAIL, (), names, "no name leads back")


def _leads_to(records: tuple[str, ...], ip: Address) -> bool:
    return any(parse_ip(record) == ip for record in records)
