"""Which of our domains a message may be signed for, and how: pure, keys come from outside."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_core.record import Envelope
from mailweir_ingress.policy.rules import Rules
from mailweir_mail import parse
from mailweir_mail.auth.arc import ArcStatus, reported_chain, seal
from mailweir_mail.auth.dkim import SigningKey, sign
from mailweir_mail.auth.results import parse_results
from mailweir_policy import Policy

KeysOf = Callable[[str], Sequence[SigningKey]]
"""Gives the keys of a domain by its name in lower case; none where it has none."""

RESULTS: Final = "authentication-results"
_DAY: Final = 86_400
_LABELS: Final = 127
_STATES: Final = frozenset(ArcStatus)


def is_ours(envelope: Envelope, rules: Rules) -> bool:
    """Say whether a message comes from one of our users or networks."""
    if envelope.session.auth_user:
        return True
    address = parse_ip(envelope.session.client_ip)
    return address is not None and address in rules.trusted


def signing_keys(
    envelope: Envelope, content: bytes, rules: Rules, keys_of: KeysOf
) -> Sequence[SigningKey]:
    """Return the keys that sign a message of ours: those of its From domain, or of the nearest one above.

    A user may only be vouched for as whoever the account owns, and that is checked for the envelope's sender:
    so From must be in the sender's domain. With several From fields, or addresses in several domains, nobody
    can say whom we would vouch for.
    """
    if not rules.policy.signing.enabled:
        return ()
    author = author_domain(content)
    if not author:
        return ()
    sender = envelope.sender.rpartition("@")[2].lower()
    if envelope.session.auth_user and author != sender:
        return ()
    labels = author.split(".")[:_LABELS]
    for at in range(len(labels) - 1):
        found = keys_of(".".join(labels[at:]))
        if found and _wanted(found[0].domain, rules.policy):
            return [adapted(key, rules.policy) for key in found]
    return ()


def author_domain(content: bytes) -> str:
    """Return the one domain of From, lower case in A-labels, or an empty text."""
    authors = parse(content).from_
    domains = {address.domain.lower().rstrip(".") for address in authors.addresses}
    if len(domains) != 1:
        return ""
    (domain,) = domains
    try:
        return domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        return ""


def adapted(key: SigningKey, policy: Policy) -> SigningKey:
    """Return a key that signs as the policy says."""
    signing = policy.signing
    return replace(
        key,
        signed=(*key.signed, *signing.more_headers),
        expiry=signing.expiry_days * _DAY or None,
    )


def signatures(content: bytes, keys: Sequence[SigningKey], now: float) -> bytes:
    """Return a DKIM-Signature for each key, to stand on top of `content`."""
    return b"".join([sign(content, key, now) for key in keys])


def seal_of(
    content: bytes, headers: Sequence[tuple[str, str]], key: SigningKey, now: float
) -> bytes:
    """Return an ARC set about `content`.

    Nothing where there are no results of ours, or none about the chain that is there.
    """
    results = next((value for name, value in headers if name.lower() == RESULTS), "")
    said = parse_results(results)
    if said is None:
        return b""
    told = next((one.result for one in said.of("arc") if one.result in _STATES), None)
    chain = reported_chain(content, None if told is None else ArcStatus(told))
    return b"" if chain is None else seal(content, results, chain, key, now)


def _wanted(domain: str, policy: Policy) -> bool:
    return not policy.signing.domains or domain in policy.signing.domains
