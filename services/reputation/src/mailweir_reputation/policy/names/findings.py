"""From what was looked up about names to findings."""

from dataclasses import replace
from typing import Final

from mailweir_core.client import ClientFacts
from mailweir_core.net import Address
from mailweir_mail.auth.iprev import IprevResult, IprevStatus
from mailweir_mail.auth.spf import SpfResult, SpfStatus
from mailweir_policy import Policy
from mailweir_reputation.policy.findings import NOTHING, Finding, merge
from mailweir_reputation.policy.names import suspects
from mailweir_reputation.policy.names.dynamic import looks_dynamic
from mailweir_reputation.policy.names.greeting import Greeting, GreetingKind, lies, unqualified
from mailweir_reputation.policy.names.sender import SenderDomain
from mailweir_reputation.policy.names.suspects import Suspect, conclude, conclude_all

NAME_UNKNOWN: Final = "the client's name could not be looked up"
HELO_UNKNOWN: Final = "the name that the client greets with could not be looked up"
DOMAIN_UNKNOWN: Final = "the sender's domain could not be looked up"
SPF_UNKNOWN: Final = "SPF could not be checked"
_SPF: Final = {
    SpfStatus.FAIL: suspects.SPF_FAIL,
    SpfStatus.SOFTFAIL: suspects.SPF_SOFTFAIL,
}


def of_client(found: IprevResult, client: Address, policy: Policy) -> Finding:
    """Return what a client's names say."""
    if found.result is IprevStatus.TEMPERROR:
        return Finding(failed=NAME_UNKNOWN)
    noted: list[tuple[Suspect, str]] = []
    if not found.claimed:
        noted.append((suspects.NO_PTR, str(client)))
    elif not found.names:
        noted.append((suspects.FCRDNS_FAIL, f"{client} {found.claimed[0]}"))
    shown = found.names or found.claimed
    # one name that a person gave suffices: then it is somebody's server
    if shown and all(looks_dynamic(name, client) for name in shown):
        noted.append((suspects.DYNAMIC_NAME, shown[0]))
    return replace(merge(conclude_all(noted, policy)), host=found.name)


def of_greeting(greeting: Greeting, client: Address, known: ClientFacts, policy: Policy) -> Finding:
    """Return what a client's greeting says; `known` has its name and what SPF authorised it for."""
    if unqualified(greeting, client):
        return conclude(suspects.HELO_NOT_FQDN, greeting.text, policy)
    if lies(greeting, client, known, policy.identity.hostname):
        return conclude(suspects.HELO_LIES, greeting.text, policy)
    if greeting.exists is False:
        return conclude(suspects.HELO_UNKNOWN, greeting.text, policy)
    if greeting.kind is GreetingKind.NAME and greeting.exists is None:
        return Finding(failed=HELO_UNKNOWN)
    return NOTHING


def of_domain(found: SenderDomain, domain: str, policy: Policy) -> Finding:
    """Return what a sender's domain says."""
    match found:
        case SenderDomain.MISSING:
            return conclude(suspects.SENDER_DOMAIN_MISSING, domain, policy)
        case SenderDomain.TAKES_NO_MAIL:
            return conclude(suspects.SENDER_NULL_MX, domain, policy)
        case SenderDomain.UNKNOWN:
            return Finding(failed=DOMAIN_UNKNOWN)
    return NOTHING


def of_spf(found: SpfResult, policy: Policy) -> Finding:
    """Return what SPF says; a domain that authorised the client is the one that may be believed."""
    passed = found.result is SpfStatus.PASS
    suspect = _SPF.get(found.result)
    evidence = f"{found.domain} {found.mechanism}".strip()
    said = NOTHING if suspect is None else conclude(suspect, evidence, policy)
    return replace(
        said,
        spf=str(found.result),
        spf_domain=found.domain if passed else "",
        failed=SPF_UNKNOWN if found.result is SpfStatus.TEMPERROR else "",
    )
