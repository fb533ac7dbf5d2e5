"""Validation of a chain (RFC 8617 §5.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from mailweir_core.asking import Asking
from mailweir_core.dns import DnsAnswer, DnsQuestion
from mailweir_mail.auth.dkim.canonical import CRLF, HEADER, Canon, Section, section
from mailweir_mail.auth.dkim.check import (
    Body,
    check_digest,
    check_message,
    check_time,
    keys_of,
)
from mailweir_mail.auth.dkim.keys import Key, KeyCache
from mailweir_mail.auth.dkim.model import Unusable, broken
from mailweir_mail.auth.dkim.signature import Signature
from mailweir_mail.auth.dkim.verify import question
from mailweir_mail.edit import header_block

from .model import DEFAULT, ArcLimits, ArcResult, ArcStatus
from .sets import ArcSet, count_sets, has_sets, read_sets


def validate(
    raw: bytes, now: float, *, limits: ArcLimits = DEFAULT, keys: KeyCache | None = None
) -> Asking[ArcResult]:
    """Return the state of a message's ARC chain.

    Asks once, for the keys of all seals and of the last message signature. That a key cannot be had now is a
    failure too, as RFC 8617 §5.2 has it, and `detail` says so. `now` is in seconds since the epoch. Never
    raises, whatever the octets are.
    """
    if not has_sets(header_block(raw)):
        return ArcResult(ArcStatus.NONE)
    found = section(raw)
    try:
        sets = read_sets(found, limits)
    except Unusable as problem:
        return ArcResult(ArcStatus.FAIL, instance=count_sets(found), detail=problem.detail)
    if not sets:
        return ArcResult(ArcStatus.NONE)
    result = _described(sets)
    try:
        check_chain(sets)
    except Unusable as problem:
        return replace(result, detail=problem.detail)
    asked = tuple(dict.fromkeys(question(s) for s in (sets[-1].message, *(s.seal for s in sets))))
    answers = dict(zip(asked, (yield asked), strict=True))
    chain = _Chain(found, Body(found.body), sets, answers, now, limits, keys)
    try:
        chain.check()
    except Unusable as problem:
        return replace(result, detail=problem.detail)
    return replace(result, status=ArcStatus.PASS, oldest_pass=chain.oldest_pass())


def _described(sets: Sequence[ArcSet]) -> ArcResult:
    return ArcResult(
        ArcStatus.FAIL,
        instance=len(sets),
        sealers=tuple(one.seal.domain for one in sets),
        results=tuple(one.results for one in sets),
        closed=sets[-1].chain == "fail",
    )


def check_chain(sets: Sequence[ArcSet]) -> None:
    """Raise Unusable unless cv= is none in the first set and pass in all others."""
    if sets[-1].chain == "fail":
        raise broken(f"{sets[-1].seal.domain} found the chain broken")
    for one in sets:
        if one.chain != ("none" if one.instance == 1 else "pass"):
            raise broken(f"cv={one.chain} in instance {one.instance}")


def seal_digests(found: Section, sets: Sequence[ArcSet]) -> Sequence[bytes]:
    """Return the SHA-256 that each seal signs: all sets up to its own, which has an empty b= (§5.1.1).

    One hash goes on from set to set: hashing anew for each seal would grow with the square of their number.
    """
    form = HEADER[Canon.RELAXED]
    running = sha256()
    digests = []
    for one in sets:
        results, message, seal = (form(found.fields[place]) for place in one.places)
        running.update(results + message)
        own = running.copy()
        own.update(form(one.seal.unsigned + CRLF).removesuffix(CRLF))
        digests.append(own.digest())
        running.update(seal)
    return digests


@dataclass(frozen=True, slots=True)
class _Chain:
    """A whole chain and the answers to what was asked of it."""

    found: Section
    body: Body
    sets: Sequence[ArcSet]
    answers: Mapping[DnsQuestion, DnsAnswer]
    now: float
    limits: ArcLimits
    cache: KeyCache | None

    def check(self) -> None:
        """Raise Unusable unless the last message signature and all seals hold."""
        last = self.sets[-1]
        try:
            self._message(last)
            digests = seal_digests(self.found, self.sets)
            for last, digest in reversed(list(zip(self.sets, digests, strict=True))):
                check_digest(last.seal, digest, self._keys(last.seal))
        except Unusable as problem:
            raise broken(f"instance {last.instance}: {problem.detail}") from problem

    def oldest_pass(self) -> int:
        """Return the lowest instance from which on all message signatures hold, 0 for all of them.

        One whose key was not asked for anyway counts as not holding: it is not worth a question.
        """
        lowest = len(self.sets)
        older = self.sets[-2::-1] if len(self.sets) > 1 else ()
        for one in older[: self.limits.older]:
            if question(one.message) not in self.answers:
                break
            try:
                self._message(one)
            except Unusable:
                break
            lowest = one.instance
        return 0 if lowest == 1 else lowest

    def _message(self, one: ArcSet) -> None:
        check_time(one.message, self.now, self.limits.signatures)
        check_message(one.message, self.found, self.body, self._keys(one.message))

    def _keys(self, signature: Signature) -> Sequence[Key]:
        return keys_of(
            signature, self.answers[question(signature)], self.limits.signatures, self.cache
        )
