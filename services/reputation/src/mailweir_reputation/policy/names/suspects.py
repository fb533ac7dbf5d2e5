"""What looks unlike a mail server, what each counts, and what the policy makes of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from mailweir_core.outcome import Advice, Signal
from mailweir_core.reasons import Reason
from mailweir_policy import Policy
from mailweir_policy.edge import Remedy, SuspectServers
from mailweir_reputation.policy.findings import GROUP, Finding

MAX_EVIDENCE: Final = 100


@dataclass(frozen=True, slots=True)
class Suspect:
    """One thing that may be suspect; `remedy` finds what the policy says of it."""

    name: str
    score: float
    reason: Reason
    remedy: Callable[[SuspectServers], Remedy]
    description: str


NO_PTR: Final = Suspect(
    "NO_PTR", 1.0, Reason.NO_REVERSE_DNS, lambda p: p.no_reverse_name,
    "The client's address has no name",
)  # fmt: skip
FCRDNS_FAIL: Final = Suspect(
    "FCRDNS_FAIL", 0.7, Reason.NO_REVERSE_DNS, lambda p: p.unconfirmed_name,
    "The client's name does not lead back to its address",
)  # fmt: skip
DYNAMIC_NAME: Final = Suspect(
    "DYNAMIC_NAME", 1.2, Reason.NO_REVERSE_DNS, lambda p: p.dynamic_name,
    "The client's name looks like that of a home connection",
)  # fmt: skip
HELO_NOT_FQDN: Final = Suspect(
    "HELO_NOT_FQDN", 0.8, Reason.BAD_HELO, lambda p: p.helo_not_qualified,
    "The client greets with what is no full name of a host",
)  # fmt: skip
HELO_UNKNOWN: Final = Suspect(
    "HELO_UNKNOWN", 0.7, Reason.BAD_HELO, lambda p: p.helo_unresolvable,
    "The name that the client greets with does not exist",
)  # fmt: skip
HELO_LIES: Final = Suspect(
    "HELO_LIES", 1.5, Reason.HELO_LIES, lambda p: p.helo_lies,
    "The client greets with a name or address of somebody else",
)  # fmt: skip
SENDER_DOMAIN_MISSING: Final = Suspect(
    "SENDER_DOMAIN_MISSING", 2.0, Reason.SENDER_DOMAIN_MISSING, lambda p: p.sender_domain_missing,
    "The sender's domain does not exist",
)  # fmt: skip
SENDER_NULL_MX: Final = Suspect(
    "SENDER_NULL_MX", 2.0, Reason.SENDER_TAKES_NO_MAIL, lambda p: p.sender_takes_no_mail,
    "The sender's domain says that it takes no mail",
)  # fmt: skip
SPF_FAIL: Final = Suspect(
    "SPF_FAIL", 1.0, Reason.SPF_FAILED, lambda p: p.spf_fail,
    "The sender's domain says that this client may not send for it",
)  # fmt: skip
SPF_SOFTFAIL: Final = Suspect(
    "SPF_SOFTFAIL", 0.5, Reason.SPF_FAILED, lambda p: p.spf_softfail,
    "The sender's domain says that this client should not send for it",
)  # fmt: skip

SUSPECTS: Final = (
    NO_PTR, FCRDNS_FAIL, DYNAMIC_NAME, HELO_NOT_FQDN, HELO_UNKNOWN, HELO_LIES, SENDER_DOMAIN_MISSING,
    SENDER_NULL_MX, SPF_FAIL, SPF_SOFTFAIL,
)  # fmt: skip
_ADVICE: Final = {Remedy.REJECT: Advice.REJECT, Remedy.CLOSE: Advice.CLOSE}


def conclude(suspect: Suspect, evidence: str, policy: Policy) -> Finding:
    """Return what follows from one suspect thing by the policy; nothing where it is switched off."""
    remedy = suspect.remedy(policy.edge.suspects)
    if remedy is Remedy.OFF:
        return Finding()
    shown = evidence if len(evidence) <= MAX_EVIDENCE else f"{evidence[: MAX_EVIDENCE - 1]}…"
    advice = _ADVICE.get(remedy, Advice.NONE)
    suspicion = suspect.score
    if remedy is Remedy.GREYLIST:
        suspicion = max(suspicion, policy.greylist.suspicion)
    return Finding(
        signals=(Signal(suspect.name, suspect.score, GROUP, suspect.description, shown),),
        advice=advice,
        reason=suspect.reason if advice is not Advice.NONE else None,
        detail=suspect.description if advice is not Advice.NONE else "",
        suspicion=suspicion,
    )


def conclude_all(found: Iterable[tuple[Suspect, str]], policy: Policy) -> tuple[Finding, ...]:
    """Return what follows from each."""
    return tuple(conclude(suspect, evidence, policy) for suspect, evidence in found)
