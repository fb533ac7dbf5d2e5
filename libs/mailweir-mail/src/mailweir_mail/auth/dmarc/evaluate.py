"""Discovery of the policy, alignment, and what follows from both (RFC 7489 §6.6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mailweir_core.asking import Asking, together
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_mail.auth.dkim.model import DkimResult, DkimStatus
from mailweir_mail.auth.names import ask_name
from mailweir_mail.auth.spf.model import SpfResult, SpfStatus
from mailweir_mail.auth.suffix import organizational_domain

from .author import Author
from .model import Alignment, DmarcRecord, DmarcResult, DmarcStatus, Policy
from .record import is_dmarc, parse_record

_RELAXED = DmarcRecord(Policy.NONE, Policy.NONE, Policy.NONE)


def evaluate_author(
    author: Author, spf: SpfResult | None, dkim: Sequence[DkimResult], *, sample: int = 0
) -> Asking[DmarcResult]:
    """Check the author of a message; see `evaluate`.

    A From header without one author never passes. It is a permerror with the strictest disposition that
    one of its domains asks for, so that a second domain is no way around the policy of the first.
    """
    if author.problem is None:
        return (yield from evaluate(author.domain, spf, dkim, sample=sample))
    checks = (evaluate(domain, spf, dkim, sample=sample) for domain in author.domains)
    results = yield from together(*checks)
    worst = max(results, key=lambda found: found.disposition.severity, default=None)
    refused = DmarcResult(DmarcStatus.PERMERROR, problem=str(author.problem))
    if worst is None:
        return refused
    return replace(
        refused,
        domain=worst.domain,
        policy_domain=worst.policy_domain,
        record=worst.record,
        policy=worst.policy,
        disposition=worst.disposition,
        sampled_out=worst.sampled_out,
        detail=", ".join(author.domains),
    )


def evaluate(
    from_domain: str, spf: SpfResult | None, dkim: Sequence[DkimResult], *, sample: int = 0
) -> Asking[DmarcResult]:
    """Say whether an aligned SPF or DKIM result vouches for the author's domain. Never raises.

    `spf` is the check of MAIL FROM (or of HELO for the null sender). `sample` is 0 to 99, the same for the
    same message: the policy applies where it is below pct. Without a record alignment is told all the same.
    """
    domain = ask_name(from_domain)
    if domain is None:
        return DmarcResult(DmarcStatus.PERMERROR, from_domain, problem="no_domain")
    found = yield from _discover(domain)
    aligned = _align(domain, found.record or _RELAXED, spf, dkim)
    result = DmarcResult(
        found.failure or DmarcStatus.NONE,
        domain,
        found.domain,
        found.record,
        aligned_spf=aligned.spf,
        aligned_dkim=aligned.dkim,
        detail=found.detail,
    )
    if found.record is None:
        return result
    policy = yield from _policy_for(domain, found.domain, found.record, failing=not result.aligned)
    result = replace(result, policy=policy)
    if result.aligned:
        return replace(result, result=DmarcStatus.PASS)
    if aligned.undecided:
        return replace(result, result=DmarcStatus.TEMPERROR, detail=aligned.undecided)
    return _failed(result, found.record, policy, sample)


def _failed(result: DmarcResult, record: DmarcRecord, policy: Policy, sample: int) -> DmarcResult:
    out = sample >= record.pct
    applied = policy.weaker if out else policy
    if record.testing:
        applied = min(applied, policy.weaker, key=lambda found: found.severity)
    return replace(result, result=DmarcStatus.FAIL, disposition=applied, sampled_out=out)


# -- discovery ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    domain: str = ""
    record: DmarcRecord | None = None
    failure: DmarcStatus | None = None
    detail: str = ""


def _discover(domain: str) -> Asking[_Found]:
    """Find the record of the domain, else of its owner (§6.6.3); both are asked for at once."""
    owner = organizational_domain(domain)
    places = dict.fromkeys((domain, owner))
    asked = [place for place in places if ask_name(f"_dmarc.{place}")]
    if not asked:
        return _Found()
    answers = yield tuple(DnsQuestion(f"_dmarc.{place}", RecordType.TXT) for place in asked)
    for place, answer in zip(asked, answers, strict=True):
        found = _read(place, answer)
        if found is not None:
            return found
    return _Found()


def _read(place: str, answer: DnsAnswer) -> _Found | None:
    """Return what ends the discovery at one place, or None where it goes on."""
    if answer.status is DnsStatus.TEMPERROR:
        detail = f"_dmarc.{place}: {answer.detail or 'no answer'}"
        return _Found(failure=DmarcStatus.TEMPERROR, detail=detail)
    texts = [text for text in answer.records if is_dmarc(text)]
    if not texts:
        return None
    if len(texts) > 1:
        return _Found(detail=f"{len(texts)} records at _dmarc.{place}")
    record = parse_record(texts[0])
    if record is None:
        return _Found(detail=f"record without a policy at _dmarc.{place}")
    return _Found(place, record)


def _policy_for(domain: str, place: str, record: DmarcRecord, *, failing: bool) -> Asking[Policy]:
    """Return the policy for the domain by the record of itself or of its owner."""
    if place == domain:
        return record.p
    if failing and record.np is not record.sp and (yield from _is_absent(domain)):
        return record.np
    return record.sp


def _is_absent(domain: str) -> Asking[bool]:
    """Say whether a name has no A, AAAA or MX (RFC 9091 §2.7); a failure to ask is no proof."""
    answers = yield tuple(
        DnsQuestion(domain, kind) for kind in (RecordType.A, RecordType.AAAA, RecordType.MX)
    )
    return all(answer.status in (DnsStatus.NXDOMAIN, DnsStatus.NODATA) for answer in answers)


# -- alignment ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Aligned:
    spf: str
    dkim: tuple[str, ...]
    undecided: str  # what could still have passed, had it been answered


def _align(
    domain: str, record: DmarcRecord, spf: SpfResult | None, dkim: Sequence[DkimResult]
) -> _Aligned:
    near_spf = spf is not None and is_aligned(spf.domain, domain, record.aspf)
    near = [signed for signed in dkim if is_aligned(signed.domain, domain, record.adkim)]
    passed = dict.fromkeys(signed.domain for signed in near if signed.result is DkimStatus.PASS)
    undecided = ""
    if spf is not None and near_spf and spf.result is SpfStatus.TEMPERROR:
        undecided = f"spf: {spf.detail or 'temperror'}"
    late = [signed for signed in near if signed.result is DkimStatus.TEMPERROR]
    if late:
        undecided = f"dkim: {late[0].detail or 'temperror'}"
    good = spf is not None and near_spf and spf.result is SpfStatus.PASS
    return _Aligned(spf.domain if spf is not None and good else "", tuple(passed), undecided)


def is_aligned(authenticated: str, author: str, mode: Alignment) -> bool:
    """Say whether an authenticated domain stands for the author's (RFC 7489 §3.1); both in A-labels."""
    if not authenticated or not author:
        return False
    if authenticated == author:
        return True
    if mode is Alignment.STRICT:
        return False
    return organizational_domain(authenticated) == organizational_domain(author)
