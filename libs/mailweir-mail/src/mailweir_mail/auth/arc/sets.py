"""ARC sets: three fields an instance, found in a header and taken apart (RFC 8617 §4)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_mail.auth.dkim.canonical import Section, value_of
from mailweir_mail.auth.dkim.model import broken
from mailweir_mail.auth.dkim.signature import (
    Signature,
    message_signature,
    read_tags,
    signature,
)
from mailweir_mail.edit import unfold

from .model import ArcLimits

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
# `i=N;` is the first thing in the field (RFC 8617 §4.1.1).
_INSTANCE: Final = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;")
_NUMBER: Final = re.compile(rb"[1-9][0-9]?")
# RFC 8617 asks for relaxed and says nothing of its absence; sealers that leave it out mean this.
_WITHOUT_C: Final = b"relaxed/simple"
_CHAIN: Final = frozenset({b"none", b"pass", b"fail"})


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One sealer's three fields. `places` are those of results, message signature and seal in the header."""

    instance: int
    places: tuple[int, int, int]
    results: str
    message: Signature
    seal: Signature
    chain: str
    """cv=: what the sealer found of the chain before it."""


def has_sets(block: bytes) -> bool:
    """Say whether a header section has any field of ARC's."""
    lower = block.lower()
    return any(name in lower for name in (RESULTS, MESSAGE, SEAL))


def count_sets(found: Section) -> int:
    """Return how many there are of the field that occurs most."""
    return max(len(found.at(name)) for name in (RESULTS, MESSAGE, SEAL))


def read_sets(found: Section, limits: ArcLimits) -> Sequence[ArcSet]:
    """Return the sets in order, the first at index 0; raises Unusable where they are not whole.

    Each instance from 1 on has each of the three fields once.
    """
    seen = [found.at(name) for name in (RESULTS, MESSAGE, SEAL)]
    count = count_sets(found)
    if count > limits.sets:
        raise broken(f"more than {limits.sets} sets")
    results = {_results_instance(found, place, limits): place for place in seen[0]}
    messages = {_instance(found, place, limits): place for place in seen[1]}
    seals = {_instance(found, place, limits): place for place in seen[2]}
    wanted = set(range(1, count + 1))
    if not set(results) == set(messages) == set(seals) == wanted:
        raise broken("the sets are not whole")
    return [
        _read(found, n, (results[n], messages[n], seals[n]), limits) for n in range(1, count + 1)
    ]


def _results_instance(found: Section, place: int, limits: ArcLimits) -> int:
    value = value_of(found.fields[place])
    match = _INSTANCE.match(value) if len(value) <= limits.field_bytes else None
    if match is None:
        raise broken("an ARC-Authentication-Results without instance")
    return int(match[1])


def _instance(found: Section, place: int, limits: ArcLimits) -> int:
    number = read_tags(found.fields[place], limits.signatures).get(b"i", b"")
    if not _NUMBER.fullmatch(number):
        raise broken("a field without instance")
    return int(number)


def _read(found: Section, instance: int, places: tuple[int, int, int], limits: ArcLimits) -> ArcSet:
    result, message, seal = (found.fields[place] for place in places)
    value = value_of(result)
    match = _INSTANCE.match(value)
    text = unfold(value[match.end() :] if match else value)
    seal_tags = read_tags(seal, limits.signatures)
    chain = seal_tags.get(b"cv", b"")
    if chain not in _CHAIN:
        raise broken("cv= is neither none, pass nor fail")
    if b"h" in seal_tags:
        raise broken("an ARC-Seal has no h=")  # RFC 8617 §4.1.3
    tags = read_tags(message, limits.signatures)
    signed = message_signature(places[1], message, tags, default=_WITHOUT_C)
    if SEAL in signed.names:
        raise broken("h= names ARC-Seal")  # RFC 8617 §4.1.2
    return ArcSet(
        instance=instance,
        places=places,
        results=text.decode("utf-8", "replace"),
        message=signed,
        seal=signature(places[2], seal, seal_tags),
        chain=chain.decode(),
    )
