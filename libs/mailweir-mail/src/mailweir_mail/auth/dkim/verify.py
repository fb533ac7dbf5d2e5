"""Verification of DKIM signatures (RFC 6376 §6, RFC 8301, RFC 8463)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.asking import Asking
from mailweir_core.dns import DnsAnswer, DnsQuestion, RecordType
from mailweir_mail.edit import header_block

from .canonical import Section, section
from .check import Body, check_message, check_time, keys_of
from .keys import Key, KeyCache
from .model import DEFAULT, DkimLimits, DkimResult, DkimStatus, Unusable, broken
from .signature import Signature, claims, identity_of, message_signature, read_tags

FIELD: Final = b"dkim-signature"
_FROM: Final = b"from"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A signature on its way: what its result says so far, and the signature while it may still pass."""

    result: DkimResult
    signature: Signature | None = None


def verify(
    raw: bytes, now: float, *, limits: DkimLimits = DEFAULT, keys: KeyCache | None = None
) -> Asking[tuple[DkimResult, ...]]:
    """Return a result for each DKIM-Signature of a message, from the top; empty where it has none.

    Asks once, for the keys of all signatures that can be checked. `now` is in seconds since the epoch. Line
    ends may be CRLF or LF. Never raises, whatever the octets are.
    """
    if FIELD not in header_block(raw).lower():
        return ()
    found = section(raw)
    places = found.at(FIELD)[: limits.listed]
    attempts = [_attempt(found, place, now, limits) for place in places[: limits.signatures]]
    answers = yield from _asked(attempts)
    body = Body(found.body)
    results = []
    for attempt in attempts:
        if attempt.signature is None:
            results.append(attempt.result)
        else:
            usable = _usable(attempt.signature, answers, limits, keys)
            results.append(_checked(attempt.result, attempt.signature, found, body, usable))
    results.extend(_unchecked(found, place, limits) for place in places[limits.signatures :])
    return tuple(results)


def question(signature: Signature) -> DnsQuestion:
    """Return what to ask for a signature's key."""
    return DnsQuestion(signature.question, RecordType.TXT)


def _asked(attempts: list[_Attempt]) -> Asking[dict[DnsQuestion, DnsAnswer]]:
    """Ask for all keys in one go, and not at all where none is needed."""
    wanted = tuple(
        dict.fromkeys(question(a.signature) for a in attempts if a.signature is not None)
    )
    if not wanted:
        return {}
    return dict(zip(wanted, (yield wanted), strict=True))


def _attempt(found: Section, place: int, now: float, limits: DkimLimits) -> _Attempt:
    """Read one signature and refuse what needs no key to be refused."""
    field = found.fields[place]
    result = DkimResult(DkimStatus.NONE)
    try:
        tags = read_tags(field, limits)
        result = _claimed(tags)
        if tags.get(b"v") != b"1":
            raise broken("v= is not 1")
        signature = message_signature(place, field, tags)
        result = replace(result, identity=identity_of(tags, signature.domain))
        check_from(found, signature)
        check_time(signature, now, limits)
    except Unusable as problem:
        return _Attempt(replace(result, result=problem.status, detail=problem.detail))
    return _Attempt(result, signature)


def _claimed(tags: dict[bytes, bytes]) -> DkimResult:
    said = claims(tags)
    return DkimResult(
        DkimStatus.NONE,
        domain=said.domain,
        selector=said.selector,
        identity=said.identity,
        algorithm=said.algorithm,
        header_b=said.header_b,
        signed_length=said.length,
        covered_all=b"l" not in tags,
    )


def check_from(found: Section, signature: Signature) -> None:
    """Raise Unusable unless every From field is signed.

    RFC 6376 §5.4 wants From in h=. A second From above the signed one would be shown to the reader and pass
    as signed (§8.15), so there must not be more of them than h= names.
    """
    signed = signature.names.count(_FROM)
    if not signed:
        raise broken("h= does not name From")
    if len(found.at(_FROM)) > signed:
        raise Unusable(DkimStatus.POLICY, "there is a From that is not signed")


def _usable(
    signature: Signature,
    answers: Mapping[DnsQuestion, DnsAnswer],
    limits: DkimLimits,
    cache: KeyCache | None,
) -> Sequence[Key] | Unusable:
    try:
        return keys_of(signature, answers[question(signature)], limits, cache)
    except Unusable as problem:
        return problem


def _checked(
    result: DkimResult,
    signature: Signature,
    found: Section,
    body: Body,
    usable: Sequence[Key] | Unusable,
) -> DkimResult:
    """Check one signature with its keys; a testing key is told of, and changes nothing here."""
    if isinstance(usable, Unusable):
        return replace(result, result=usable.status, detail=usable.detail)
    key = usable[0]
    status, detail = DkimStatus.PASS, ""
    try:
        key = check_message(signature, found, body, usable)
        if key.strict and not result.identity.endswith(f"@{signature.domain}"):
            raise broken("the key is for d= itself, i= is below it")
    except Unusable as problem:
        status, detail = problem.status, problem.detail
    length = signature.length
    return replace(
        result,
        result=status,
        detail=detail,
        key_bits=key.bits,
        testing=key.testing,
        covered_all=length is None or length == body.length(signature.body),
    )


def _unchecked(found: Section, place: int, limits: DkimLimits) -> DkimResult:
    """Name a signature that is over the limit."""
    try:
        result = _claimed(read_tags(found.fields[place], limits))
    except Unusable:
        result = DkimResult(DkimStatus.NONE)
    detail = f"not checked: more than {limits.signatures} signatures"
    return replace(result, result=DkimStatus.POLICY, detail=detail)
