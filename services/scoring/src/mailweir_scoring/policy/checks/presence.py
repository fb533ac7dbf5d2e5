"""Header fields that are missing, doubled or not clean. RFC 5322 §3.6 says what must be there, how often."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail import DefectKind
from mailweir_scoring.policy.checks.common import has, has_broken_word, is_cut, is_submitted
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

ONCE: Final = (
    "date", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject",
    "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
"""Fields that a message has at most once (RFC 5322 §3.6, RFC 2045 §3); From has a rule of its own."""
EXPECTED: Final = {"from": "FROM_MISSING", "date": "DATE_MISSING", "subject": "SUBJECT_MISSING"}
SHOWN: Final = ("subject", "from", "to", "cc", "reply-to", "sender")
"""Fields that a client shows, and RFC 2047 words belong in."""


@check("HEADER_EXCESSIVE", *EXPECTED.values())
def missing(facts: Facts) -> Iterator[Hit]:
    """Fields that every client writes."""
    headers = facts.message.headers
    if is_cut(headers):
        yield Hit("HEADER_EXCESSIVE", f"{len(headers.raw)} bytes")
        return
    for name, symbol in EXPECTED.items():
        if not has(headers, name) and not (name == "date" and is_submitted(facts)):
            yield Hit(symbol)


@check("FROM_DOUBLED", "HEADER_DOUBLED")
def doubled(facts: Facts) -> Iterator[Hit]:
    """A doubled field is shown differently by different clients, and checked differently by filters."""
    headers = facts.message.headers
    if len(headers.all("from")) > 1:
        yield Hit("FROM_DOUBLED", f"{len(headers.all('from'))} From fields")
    twice = [name for name in ONCE if name in headers and len(headers.all(name)) > 1]
    if twice:
        yield Hit("HEADER_DOUBLED", ", ".join(twice))


@check("HEADER_8BIT")
def eight_bit(facts: Facts) -> Iterator[Hit]:
    """Raw 8-bit octets, which only SMTPUTF8 allows (RFC 6532)."""
    if facts.envelope is not None and facts.envelope.smtputf8:
        return
    if facts.message.headers.raw.isascii():
        return
    for field in facts.message.headers:
        if not field.raw.isascii():
            yield Hit("HEADER_8BIT", f"{field.name}: {field.text}")
            return


@check("HEADER_GARBLED", "HEADER_ENCODING", "HEADER_NUL")
def garbled(facts: Facts) -> Iterator[Hit]:
    """Lines that are no fields, a missing end, encoded words that do not decode."""
    headers = facts.message.headers
    kinds = (DefectKind.HEADER_JUNK, DefectKind.HEADER_SEPARATOR)
    junk = next((d for d in headers.defects if d.kind in kinds), None)
    if junk is not None:
        yield Hit("HEADER_GARBLED", junk.detail)
    # All fields' defects are gathered already: only where one is of this kind is it asked whose.
    some = any(d.kind is DefectKind.ENCODED_WORD for d in headers.defects)
    broken = (n for n in SHOWN if some and any(map(has_broken_word, headers.all(n))))
    if (broken_name := next(broken, None)) is not None:
        yield Hit("HEADER_ENCODING", f"{broken_name}: {headers.get(broken_name)}")
    if b"\0" in headers.raw:
        yield Hit("HEADER_NUL")
