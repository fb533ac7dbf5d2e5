"""Sealing: one more set on top of a chain (RFC 8617 §5.1)."""

from dataclasses import replace
from typing import Final

from mailweir_mail.auth.dkim.canonical import HEADER, Canon, Section, chosen, section
from mailweir_mail.auth.dkim.check import Body
from mailweir_mail.auth.dkim.sign import SigningKey, message_tags, names_to_sign, signed_field
from mailweir_mail.edit import fold

from .model import DEFAULT, ArcResult, ArcStatus
from .sets import MESSAGE, RESULTS, SEAL, read_sets

# RFC 8617 §4.1.2: not ARC-Seal, nor results that the next hop may take out; other signatures are welcome.
_NEVER: Final = frozenset({SEAL.decode(), RESULTS.decode(), "authentication-results"})
_ALSO: Final = ("dkim-signature", MESSAGE.decode())


def seal(raw: bytes, results: str, chain: ArcResult, key: SigningKey, now: float) -> bytes:
    """Return the three fields of a new set, with CRLF, to be put on top; empty where none may be added.

    `results` is the value of our Authentication-Results, authserv-id first; `chain` is what `validate` said
    of `raw`. A chain that is full, or that somebody found broken before, gets no set; one that we are first
    to find broken gets one with cv=fail, which then covers itself alone (§5.1.2).
    """
    if chain.closed or chain.instance >= DEFAULT.sets:
        return b""
    found = section(raw)
    number = str(chain.instance + 1)
    own = fold("ARC-Authentication-Results", f"i={number}; {results}")
    message = _message_signature(found, key, number, now)
    before = _sets_before(found) if chain.status is ArcStatus.PASS else b""
    form = HEADER[Canon.RELAXED]
    tags = [
        ("i", number),
        ("a", key.algorithm),
        ("t", str(int(now))),
        ("cv", chain.status.value),
        ("d", key.domain),
        ("s", key.selector),
    ]
    relaxed = replace(key, header=Canon.RELAXED)
    top = signed_field("ARC-Seal", tags, before + form(own) + form(message), relaxed)
    return top + message + own


def _message_signature(found: Section, key: SigningKey, number: str, now: float) -> bytes:
    signed = tuple(name for name in (*key.signed, *_ALSO) if name.lower() not in _NEVER)
    over = tuple(name for name in key.oversigned if name.lower() not in _NEVER)
    wide = replace(key, signed=signed, oversigned=over)
    names = names_to_sign(found, wide)
    tags = [("i", number), *message_tags(wide, names, now, Body(found.body))]
    covered = chosen(found, names, wide.header)
    return signed_field("ARC-Message-Signature", tags, covered, wide)


def _sets_before(found: Section) -> bytes:
    """Return the sets that are there in canonical form, oldest first; the chain is known to be whole."""
    form = HEADER[Canon.RELAXED]
    places = [place for one in read_sets(found, DEFAULT) for place in one.places]
    return b"".join(form(found.fields[place]) for place in places)
