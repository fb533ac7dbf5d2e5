"""The Subject field."""

import re
from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.common import has, is_needless
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

CAPITALS: Final = 12
"""So many capital letters, and no small one, are shouting and no acronym."""

_LOUD: Final = re.compile(r"[!?$€£]{3}")
_REPLY: Final = re.compile(
    r"^(?:(?:re|fwd?|aw|wg|sv|vs|tr|rv)\s*:\s*|\[[^\]]{1,40}\]\s*){1,8}", re.IGNORECASE
)


@check("SUBJECT_EMPTY", "SUBJECT_CAPITALS", "SUBJECT_LOUD")
def subject(facts: Facts) -> Iterator[Hit]:
    """A subject that shouts, or says nothing."""
    if not has(facts.message.headers, "subject"):
        return
    text = facts.message.subject
    own = _REPLY.sub("", text).strip()
    if not own:
        yield Hit("SUBJECT_EMPTY", text)
        return
    cased = [c for c in own if c.lower() != c.upper()]
    if len(cased) >= CAPITALS and all(c.isupper() for c in cased):
        yield Hit("SUBJECT_CAPITALS", text)
    if _LOUD.search(own):
        yield Hit("SUBJECT_LOUD", text)


@check("SUBJECT_ENCODED_ASCII")
def encoded(facts: Facts) -> Iterator[Hit]:
    """A subject in RFC 2047 words that need not be: it hides words from simple filters."""
    field = facts.message.headers.first("subject")
    if field is not None and is_needless(field):
        yield Hit("SUBJECT_ENCODED_ASCII", field.text)


def _has_calendar(facts: Facts) -> bool:
    """Say whether it is an invitation: calendars name whom they invite."""
    return any(part.type == "text/calendar" for part in facts.message.parts())


@check("SUBJECT_RECIPIENT")
def recipient(facts: Facts) -> Iterator[Hit]:
    """The recipient's address in the subject: a form letter, filled in from a list."""
    subject = facts.message.subject.casefold()
    if "@" not in subject or _has_calendar(facts):
        return
    known = {a.key for a in facts.message.to.addresses if a.address}
    if facts.envelope is not None:
        known |= {r.casefold() for r in facts.envelope.recipients}
    for address in known:
        if address in subject:
            yield Hit("SUBJECT_RECIPIENT", address)
            return
