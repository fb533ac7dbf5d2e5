"""`Authentication-Results` as we write it (RFC 8601)."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail.auth.arc import ArcStatus
from mailweir_mail.auth.dkim import DkimResult, DkimStatus
from mailweir_mail.auth.results import (
    AuthResults,
    MethodResult,
    arc_entry,
    dkim_entry,
    dmarc_entry,
    field_value,
    spf_entry,
)
from mailweir_scoring.policy.authentication.model import Authentication
from mailweir_scoring.policy.facts import Facts

NAME: Final = "Authentication-Results"
MOST_SIGNATURES: Final = 8


def header_of(found: Authentication, facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return the field with our host name as authserv-id; none where the policy or the name is missing."""
    policy = facts.policy.authentication
    if not policy.results_header or not facts.identity.hostname:
        return ()
    results = tuple(_entries(found, facts))
    return ((NAME, field_value(AuthResults(facts.identity.hostname, results))),)


def _entries(found: Authentication, facts: Facts) -> Iterator[MethodResult]:
    policy, envelope = facts.policy.authentication, facts.envelope
    if found.spf is not None and envelope is not None:
        yield spf_entry(found.spf, envelope.sender, envelope.session.helo)
    if found.helo is not None and envelope is not None:
        yield spf_entry(found.helo, "", envelope.session.helo)
    if policy.dkim:
        signed = found.dkim[:MOST_SIGNATURES] or (DkimResult(DkimStatus.NONE),)
        yield from map(dkim_entry, signed)
    if found.dmarc is not None:
        yield dmarc_entry(found.dmarc)
    if policy.arc and found.arc.status is not ArcStatus.NONE:
        yield arc_entry(found.arc)
