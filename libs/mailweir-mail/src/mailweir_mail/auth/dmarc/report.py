"""What an aggregate report (RFC 7489 §7.2, appendix C) needs of one message, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailweir_core.net import Address
from mailweir_mail.auth.dkim.model import DkimResult
from mailweir_mail.auth.spf.model import SpfResult

from .model import DmarcResult, DmarcStatus, Policy


@dataclass(frozen=True, slots=True)
class DkimAuth:
    """One signature in a report."""

    domain: str
    selector: str
    result: str


@dataclass(frozen=True, slots=True)
class DmarcReportRow:
    """One message; equal rows are counted together by whoever writes the report.

    `disposition` is what was done by the policy; `dkim` and `spf` are `pass` only where aligned. `p` to
    `pct` are the policy as published at `policy_domain`, `rua` where its owner wants the report.
    """

    source_ip: str
    disposition: Policy
    dkim: str
    spf: str
    reason: str
    header_from: str
    envelope_from: str
    auth_dkim: tuple[DkimAuth, ...]
    auth_spf_domain: str
    auth_spf_result: str
    policy_domain: str
    p: Policy
    sp: Policy
    adkim: str
    aspf: str
    pct: int
    rua: tuple[str, ...]


def report_row(
    ip: Address,
    envelope_domain: str,
    result: DmarcResult,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
) -> DmarcReportRow | None:
    """Return the row of a message, or None where there is no policy to report on, or no result."""
    record = result.record
    if record is None or result.result not in (DmarcStatus.PASS, DmarcStatus.FAIL):
        return None
    return DmarcReportRow(
        source_ip=str(ip),
        disposition=result.disposition,
        dkim="pass" if result.aligned_dkim else "fail",
        spf="pass" if result.aligned_spf else "fail",
        reason="sampled_out" if result.sampled_out else "",
        header_from=result.domain,
        envelope_from=envelope_domain,
        auth_dkim=tuple(DkimAuth(d.domain, d.selector, str(d.result)) for d in dkim if d.domain),
        auth_spf_domain=spf.domain if spf else "",
        auth_spf_result=str(spf.result) if spf else "none",
        policy_domain=result.policy_domain,
        p=record.p,
        sp=record.sp,
        adkim=str(record.adkim),
        aspf=str(record.aspf),
        pct=record.pct,
        rua=record.rua,
    )
