"""Our results as Authentication-Results has them (RFC 8601 §2.7, RFC 8617 §7.1, RFC 7489 §11.1)."""

from mailweir_core.net import Address
from mailweir_mail.auth.arc.model import ArcResult, ArcStatus
from mailweir_mail.auth.dkim.model import DkimResult
from mailweir_mail.auth.dmarc.model import DmarcResult
from mailweir_mail.auth.iprev import IprevResult
from mailweir_mail.auth.spf.model import SpfResult

from .model import MethodResult, Property


def _properties(*found: tuple[str, str, str]) -> tuple[Property, ...]:
    return tuple(Property(*one) for one in found if one[2])


def spf_entry(found: SpfResult, mail_from: str, helo: str) -> MethodResult:
    """Tell an SPF check of MAIL FROM, or of HELO where the sender is null; addresses without brackets."""
    about = ("smtp", "mailfrom", mail_from) if mail_from else ("smtp", "helo", helo)
    return MethodResult("spf", str(found.result), _properties(about), comment=found.detail)


def dkim_entry(found: DkimResult) -> MethodResult:
    """Tell one signature, or that there is none."""
    properties = _properties(
        ("header", "d", found.domain),
        ("header", "s", found.selector),
        ("header", "a", found.algorithm),
        ("header", "b", found.header_b),
    )
    return MethodResult("dkim", str(found.result), properties, comment=found.detail)


def dmarc_entry(found: DmarcResult) -> MethodResult:
    """Tell a DMARC check, with what the domain publishes and what is left of it."""
    comment = f"p={found.policy} dis={found.disposition}" if found.record else found.detail
    properties = _properties(("header", "from", found.domain))
    return MethodResult("dmarc", str(found.result), properties, found.problem, comment)


def arc_entry(found: ArcResult) -> MethodResult:
    """Tell the state of a chain (RFC 8617 §7.1)."""
    oldest = str(found.oldest_pass) if found.status is ArcStatus.PASS else ""
    properties = _properties(("header", "oldest-pass", oldest))
    return MethodResult("arc", str(found.status), properties, comment=found.detail)


def iprev_entry(found: IprevResult, ip: Address) -> MethodResult:
    """Tell the names of the client (RFC 8601 §2.7.3)."""
    comment = found.name or found.detail
    properties = _properties(("policy", "iprev", str(ip)))
    return MethodResult("iprev", str(found.result), properties, comment=comment)


def auth_entry(login: str) -> MethodResult:
    """Tell that the client proved an account (RFC 8601 §2.7.4)."""
    return MethodResult("auth", "pass", _properties(("smtp", "auth", login)))
