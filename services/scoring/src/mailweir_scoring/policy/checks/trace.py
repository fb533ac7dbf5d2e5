"""Received fields: what the message's way tells."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_mail import parse_received
from mailweir_scoring.policy.checks.common import from_outside
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.linear import Pattern
from mailweir_scoring.policy.pipeline import check

_NUMBERED: Final = re.compile(r"\b(?:from|helo|ehlo)[= ]+[0-9a-f]*[.:]?\d", re.IGNORECASE)
# Linear and quick: whether it is worth looking closely.
_MAYBE_NUMBERED: Final = Pattern(r"(?i)(?:from|helo|ehlo)[= ]+[0-9a-f]*[.:]?[^ -/:-~]")
_HELO_LEADS: Final = ("from ", "helo=", "ehlo=", "helo ", "ehlo ")


@check("RECEIVED_NONE_BEFORE_US")
def direct(facts: Facts) -> Iterator[Hit]:
    """Handed to us by what wrote it, with no server between: programs do so, and few people's clients."""
    if from_outside(facts) and len(facts.message.headers.all("received")) <= 1:
        yield Hit("RECEIVED_NONE_BEFORE_US")


@check("RECEIVED_OURS_FORGED")
def forged(facts: Facts) -> Iterator[Hit]:
    """A field below ours that claims our name, in mail of a stranger."""
    ours = facts.identity.hostname
    if not ours or not from_outside(facts):
        return
    for field in facts.message.headers.all("received")[1:]:
        if ours in field.text.lower() and parse_received(field.text).by.lower() == ours:
            yield Hit("RECEIVED_OURS_FORGED", field.text)
            return


@check("HELO_IP")
def helo(facts: Facts) -> Iterator[Hit]:
    """A bare address as name in HELO: RFC 5321 §4.1.3 wants it in brackets, and only viruses forget them."""
    if facts.envelope is not None:
        name = facts.envelope.session.helo
        if parse_ip(name) is not None:
            yield Hit("HELO_IP", name)
        return
    for field in facts.message.headers.all("received")[:2]:
        text = field.text
        coded = text.encode("utf-8", "replace")
        if not (_MAYBE_NUMBERED.found_in(coded) and _NUMBERED.search(text)):  # parsing is dear
            continue
        hop = parse_received(text)
        bare = hop.ip is not None and parse_ip(hop.helo) is not None
        if bare and not any(f"{lead}[{hop.helo}]" in text.lower() for lead in _HELO_LEADS):
            yield Hit("HELO_IP", hop.helo)
            return
