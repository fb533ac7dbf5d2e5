"""All checks in as few rounds of questions as there can be."""

import zlib
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from mailweir_core.asking import Asking, together
from mailweir_core.dns import DnsAnswer, DnsQuestion, RecordType
from mailweir_core.record import Envelope
from mailweir_mail.auth.arc import ArcResult, ArcStatus, validate
from mailweir_mail.auth.dkim import verify
from mailweir_mail.auth.dmarc import Author, DmarcResult, author_of, evaluate_author
from mailweir_mail.auth.names import ask_name
from mailweir_mail.auth.results import parse_results
from mailweir_mail.auth.spf import SpfResult, check_host, check_sender
from mailweir_mail.auth.suffix import organizational_domain
from mailweir_policy.authentication import AuthenticationPolicy
from mailweir_scoring.policy.authentication.model import Authentication
from mailweir_scoring.policy.facts import Facts

T = TypeVar("T")
PERCENT: Final = 100


def find_out(facts: Facts, policy: AuthenticationPolicy) -> Asking[Authentication]:
    """Return everything that can be known of who vouches for a message.

    SPF, DKIM and ARC ask side by side. Where the policy of the author's domain stands is known before their
    results are, so it is asked for beside them, and DMARC has its answer already.
    """
    author = author_of(facts.message.headers)
    raw, now = facts.message.raw, facts.now
    spf, helo, (dkim, arc), told = yield from together(
        _spf(facts.envelope, facts.identity.hostname, policy),
        _helo(facts.envelope, policy),
        together(
            verify(raw, now) if policy.dkim else _nothing(()),
            validate(raw, now) if policy.arc else _nothing(ArcResult(ArcStatus.NONE)),
        ),
        _policies(author) if policy.dmarc else _nothing({}),
    )
    dmarc: DmarcResult | None = None
    if policy.dmarc:
        asking = evaluate_author(author, spf, dkim, sample=zlib.crc32(raw) % PERCENT)
        dmarc = yield from knowing(told, asking)
    sealer, vouched = _believed(arc, author, policy.trusted_sealers)
    return Authentication(author, spf, helo, dkim, dmarc, arc, sealer, vouched)


def knowing(told: dict[DnsQuestion, DnsAnswer], asking: Asking[T]) -> Asking[T]:
    """Run an evaluator that is sent what is known already; only the rest is asked."""
    try:
        questions = next(asking)
        while True:
            rest = tuple(q for q in dict.fromkeys(questions) if q not in told)
            if rest:
                told = {**told, **dict(zip(rest, (yield rest), strict=True))}
            questions = asking.send(tuple(told[q] for q in questions))
    except StopIteration as end:
        result: T = end.value
        return result


def _nothing(value: T) -> Asking[T]:
    """Ask nothing."""
    yield from ()
    return value


def _spf(
    envelope: Envelope | None, receiver: str, policy: AuthenticationPolicy
) -> Asking[SpfResult | None]:
    if envelope is None or not policy.spf:
        return None
    session = envelope.session
    return (
        yield from check_sender(
            session.client_ip,
            envelope.sender,
            session.helo,
            receiver=receiver,
            now=int(envelope.received_at),
        )
    )


def _helo(envelope: Envelope | None, policy: AuthenticationPolicy) -> Asking[SpfResult | None]:
    """Check the HELO name (RFC 7208 §2.3); for a null sender `_spf` does."""
    if envelope is None or not envelope.sender or not policy.spf:
        return None
    session = envelope.session
    name = session.helo
    return (yield from check_host(session.client_ip, name, f"postmaster@{name}", name))


def _policies(author: Author) -> Asking[dict[DnsQuestion, DnsAnswer]]:
    """Ask where the policy of the author's domain may stand (RFC 7489 §6.6.3)."""
    places = dict.fromkeys(p for d in author.domains for p in (d, organizational_domain(d)))
    names = [name for place in places if (name := ask_name(f"_dmarc.{place}"))]
    questions = tuple(DnsQuestion(name, RecordType.TXT) for name in names)
    if not questions:
        return {}
    answers: tuple[Any, ...] = yield questions
    return dict(zip(questions, answers, strict=True))


def _believed(arc: ArcResult, author: Author, trusted: Sequence[str]) -> tuple[str, bool]:
    """Return the trusted domain that closed the chain, and whether it vouches for the author.

    What the chain tells is believed as far back as trusted sealers reach without a gap: whoever stands
    before a stranger may have been made up by that stranger.
    """
    if arc.status is not ArcStatus.PASS or not arc.sealers or arc.sealers[-1] not in trusted:
        return "", False
    first = len(arc.sealers) - 1
    while first > 0 and arc.sealers[first - 1] in trusted:
        first -= 1
    return arc.sealers[-1], bool(author.domain) and _passed(arc.results[first], author.domain)


def _passed(results: str, domain: str) -> bool:
    told = parse_results(results)
    if told is None:
        return False
    return any(
        one.result == "pass" and one.get("header", "from").lower() == domain
        for one in told.of("dmarc")
    )
