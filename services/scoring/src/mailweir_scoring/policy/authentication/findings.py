"""From results to hits. Authentication is evidence and no heuristic: it may decide, where the policy says so.

SPF alone is weak, since every forwarder breaks it; a signature is broken by mailing lists. DMARC asks for
one of both, so that its failure weighs more, and a trusted relay's word (ARC) takes the weight off all three.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mailweir_core.decision import Action
from mailweir_mail.auth.arc import ArcStatus
from mailweir_mail.auth.dkim import DkimStatus
from mailweir_mail.auth.dmarc import DmarcResult, DmarcStatus, Policy
from mailweir_mail.auth.spf import SpfStatus
from mailweir_policy.authentication import AuthenticationPolicy, OnResult
from mailweir_scoring.policy.authentication.model import Authentication
from mailweir_scoring.policy.facts import Facts, Hit

SYMBOLS: Final = frozenset(
    {
        "SPF_PASS", "SPF_FAIL", "SPF_SOFTFAIL", "SPF_PERMERROR", "SPF_HELO_FAIL",
        "DKIM_VALID", "DKIM_INVALID", "DKIM_NONE",
        "DMARC_PASS", "DMARC_FAIL", "DMARC_QUARANTINE", "DMARC_REJECT", "DMARC_AUTHOR_AMBIGUOUS",
        "ARC_TRUSTED", "ARC_INVALID",
        "OWN_DOMAIN_SPOOFED",
    }
)  # fmt: skip
UNPROVEN: Final = 0.5
"""Weight of posing as our domain where the domain publishes nothing that a forwarded mail would not fail."""

_LEAST: Final = {OnResult.HOLD: Action.HOLD, OnResult.REFUSE: Action.REJECT}
_INVALID: Final = (DkimStatus.FAIL, DkimStatus.POLICY, DkimStatus.PERMERROR)


def hits_of(found: Authentication, facts: Facts) -> tuple[Hit, ...]:
    """Return the hits; what a trusted relay vouches for is named and counts nothing against the message."""
    policy = facts.policy.authentication
    hits = (*_spf(found, policy), *_dkim(found, policy), *_dmarc(found, policy))
    if found.vouched:
        hits = tuple(replace(hit, weight=0.0, least=None) for hit in hits)
    return (*hits, *_arc(found), *_own_domain(found, facts))


def _hit(symbol: str, evidence: str, on: OnResult) -> Hit:
    return Hit(symbol, evidence, 0.0 if on is OnResult.NONE else 1.0, _LEAST.get(on))


def _spf(found: Authentication, policy: AuthenticationPolicy) -> Iterator[Hit]:
    if found.spf is not None:
        evidence = f"{found.spf.domain} {found.spf.mechanism}".strip()
        match found.spf.result:
            case SpfStatus.PASS:
                yield Hit("SPF_PASS", evidence)
            case SpfStatus.FAIL:
                yield _hit("SPF_FAIL", evidence, policy.spf_fail)
            case SpfStatus.SOFTFAIL:
                yield _hit("SPF_SOFTFAIL", evidence, policy.spf_softfail)
            case SpfStatus.PERMERROR:
                yield Hit("SPF_PERMERROR", f"{evidence}: {found.spf.detail}")
    if found.helo is not None and found.helo.result is SpfStatus.FAIL:
        yield Hit("SPF_HELO_FAIL", found.helo.domain)


def _dkim(found: Authentication, policy: AuthenticationPolicy) -> Iterator[Hit]:
    if not policy.dkim:
        return
    passed = next((signed for signed in found.dkim if signed.passed), None)
    if passed is not None:
        yield Hit("DKIM_VALID", passed.domain)
    elif not found.dkim:
        yield Hit("DKIM_NONE")
    elif all(signed.result in _INVALID and not signed.testing for signed in found.dkim):
        worst = found.dkim[0]
        yield _hit("DKIM_INVALID", f"{worst.domain}: {worst.detail}", policy.dkim_invalid)


def _dmarc(found: Authentication, policy: AuthenticationPolicy) -> Iterator[Hit]:
    dmarc = found.dmarc
    if dmarc is None:
        return
    if dmarc.problem in ("several_fields", "several_domains"):
        yield Hit("DMARC_AUTHOR_AMBIGUOUS", dmarc.detail or dmarc.problem)
    if dmarc.result is DmarcStatus.PASS:
        yield Hit("DMARC_PASS", dmarc.domain)
    elif dmarc.result is DmarcStatus.FAIL or dmarc.problem:
        yield from _disposition(dmarc, policy)


def _disposition(dmarc: DmarcResult, policy: AuthenticationPolicy) -> Iterator[Hit]:
    evidence = f"{dmarc.domain} p={dmarc.policy}"
    match dmarc.disposition:
        case Policy.REJECT:
            yield _hit("DMARC_REJECT", evidence, policy.dmarc_reject)
        case Policy.QUARANTINE:
            yield _hit("DMARC_QUARANTINE", evidence, policy.dmarc_quarantine)
        case Policy.NONE if dmarc.record is not None:
            yield Hit("DMARC_FAIL", evidence)


def _arc(found: Authentication) -> Iterator[Hit]:
    if found.sealer:
        yield Hit("ARC_TRUSTED", found.sealer)
    elif found.arc.status is ArcStatus.FAIL:
        yield Hit("ARC_INVALID", found.arc.detail)


def _own_domain(found: Authentication, facts: Facts) -> Iterator[Hit]:
    """Mail from outside that poses as one of ours: none of our own users sends that way.

    Where nobody could be asked, nothing is known, and nothing is held against the message.
    """
    author, dmarc = found.author.domain, found.dmarc
    ours = author in facts.identity.local_domains
    if facts.envelope is None or not ours or found.aligned or dmarc is None:
        return
    if dmarc.result is DmarcStatus.TEMPERROR:
        return
    on = OnResult.MARK
    if found.failed and dmarc.disposition is Policy.REJECT:
        on = facts.policy.authentication.own_domain
    hit = _hit("OWN_DOMAIN_SPOOFED", author, on)
    proven = found.failed or _spf_speaks_against(found, author)
    yield hit if proven else replace(hit, weight=hit.weight * UNPROVEN)


def _spf_speaks_against(found: Authentication, author: str) -> bool:
    spf = found.spf
    if spf is None or spf.domain != author:
        return False
    return spf.result in (SpfStatus.FAIL, SpfStatus.SOFTFAIL)
