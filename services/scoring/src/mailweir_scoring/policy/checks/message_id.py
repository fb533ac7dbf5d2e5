"""The Message-ID field (RFC 5322 §3.6.4)."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_scoring.policy.checks.common import from_outside, is_cut, is_submitted
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

# Wider than the RFC, as real senders are: what counts is one token with an @, in angle brackets.
_ID: Final = re.compile(r"<[^\s<>@]+@[^\s<>@]+>")


@check("MESSAGE_ID_MISSING", "MESSAGE_ID_INVALID", "MESSAGE_ID_IP", "MESSAGE_ID_OURS")
def message_id(facts: Facts) -> Iterator[Hit]:
    """No Message-ID, one that is none, or one that claims to be made here."""
    field = facts.message.headers.first("message-id")
    if field is None:
        if not is_cut(facts.message.headers) and not is_submitted(facts):
            yield Hit("MESSAGE_ID_MISSING")
        return
    text = field.undecoded.strip()
    if not _ID.fullmatch(text):
        yield Hit("MESSAGE_ID_INVALID", text)
        return
    domain = text.rstrip(">").rpartition("@")[2].lower()
    if parse_ip(domain.strip("[]")) is not None:
        yield Hit("MESSAGE_ID_IP", text)
    elif _claims_us(facts, domain):
        yield Hit("MESSAGE_ID_OURS", text)


def _claims_us(facts: Facts, domain: str) -> bool:
    """A stranger's mail with our domain in its id; mail of our own users may come back by a list."""
    ours = facts.identity.local_domains
    if not from_outside(facts) or (domain not in ours and domain != facts.identity.hostname):
        return False
    return all(a.domain not in ours for a in facts.message.from_.addresses)
