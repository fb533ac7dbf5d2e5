"""Relay control: is a recipient ours, somebody else's, or an attempt to talk us into relaying?

A local part that names another place (`user%other@ours`, `other!user@ours`, `"user@other"@ours`) was once
routing syntax. We never route by it, and the next hop, which trusts us, must not be asked to: such a
recipient is refused even in our own domains, unless a list names exactly it.
"""

import re
from enum import StrEnum
from typing import Final

from mailweir_core.address import AddressError, EnvelopeAddress, parse_path
from mailweir_ingress.policy.rules import Rules
from mailweir_policy import LocalDomain

POSTMASTER: Final = "postmaster"  # RFC 5321 §4.5.1: always there
_ROUTING: Final = re.compile("[%!@]")
_ESCAPED: Final = re.compile(r"\\(.)")


class Standing(StrEnum):
    """What a recipient is to us."""

    LOCAL = "local"  # ours, and it exists as far as the policy knows
    PROBE = "probe"  # ours, but only the next hop knows whether it exists
    UNKNOWN = "unknown"  # ours, and it does not exist
    RELAY = "relay"  # somebody else's, and the client may relay
    DENIED = "denied"  # somebody else's, and the client may not
    ROUTED = "routed"  # written to be routed on from here
    LITERAL = "literal"  # an IP address in place of a domain


def read_recipient(
    path: str, rules: Rules, *, smtputf8: bool
) -> EnvelopeAddress | AddressError | Standing:
    """Return the recipient of a RCPT path; a path that asks for routing is Standing.ROUTED."""
    parsed = parse_path(path, smtputf8=smtputf8)
    if parsed is AddressError.ROUTE:
        return Standing.ROUTED
    if parsed is AddressError.SYNTAX and "@" not in path and _ROUTING.search(path):
        return Standing.ROUTED  # a bang path or percent path without a domain
    if isinstance(parsed, EnvelopeAddress) and not parsed.domain and rules.postmaster_domain:
        return EnvelopeAddress(parsed.local, rules.postmaster_domain)
    return parsed


def standing(recipient: EnvelopeAddress, rules: Rules, *, may_relay: bool) -> Standing:
    """Return what a recipient is to us, for a client that may or may not relay."""
    if recipient.domain.startswith("["):
        return Standing.LITERAL if may_relay else Standing.DENIED
    domain = local_domain(recipient, rules)
    if domain is None:
        return Standing.RELAY if may_relay else Standing.DENIED
    local = bare_local(recipient.local)
    if _listed(local, domain) or local == POSTMASTER:
        return Standing.LOCAL
    if _ROUTING.search(local):
        return Standing.ROUTED
    return {"all": Standing.LOCAL, "list": Standing.UNKNOWN, "callout": Standing.PROBE}[
        domain.recipients
    ]


def is_local(address: EnvelopeAddress, rules: Rules) -> bool:
    """Say whether an address is in a domain of ours."""
    return local_domain(address, rules) is not None


def local_domain(address: EnvelopeAddress, rules: Rules) -> LocalDomain | None:
    """Return the local domain that an address is in; a UTF-8 domain is compared in its ASCII form."""
    name = address.domain
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    return rules.domains.get(name)


def bare_local(local: str) -> str:
    """Return a local part in the form that is compared: lower case, without quotes and their escapes."""
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = _ESCAPED.sub(r"\1", local[1:-1])
    return local.casefold()


def _listed(local: str, domain: LocalDomain) -> bool:
    """Say whether the list has the address itself, or the one without its `+extension`."""
    if domain.recipients != "list":
        return False
    base, plus, _ = local.partition("+")
    return f"{local}@{domain.name}" in domain.addresses or (
        bool(plus and base) and f"{base}@{domain.name}" in domain.addresses
    )
