"""Core values to protobuf messages and back.

Reading is tolerant of a newer peer: an unknown status is TEMPERROR, an unknown reason None, an unknown advice
NONE, an unknown listener MX (which has the fewest rights), an unknown class of clients NONE, a score that is
no number 0.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from mailweir.common.v1 import common_pb2 as pb
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Lookup, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session

E = TypeVar("E", bound=StrEnum)

_STATUS: Final[Mapping[Status, "pb.Status.ValueType"]] = MappingProxyType(
    {
        Status.OK: pb.STATUS_OK,
        Status.HIT: pb.STATUS_HIT,
        Status.TEMPERROR: pb.STATUS_TEMPERROR,
        Status.SKIPPED: pb.STATUS_SKIPPED,
    }
)
_STATUS_BACK: Final[Mapping[int, Status]] = MappingProxyType(
    {number: status for status, number in _STATUS.items()}
)


def text(value: str) -> str:
    """Return a string that protobuf takes: bytes that were no UTF-8 (surrogates) written out as `\\udc80`."""
    if value.isascii():
        return value
    return value.encode(errors="backslashreplace").decode()


def status_to_proto(status: Status) -> "pb.Status.ValueType":
    """Return the enum value of a status."""
    return _STATUS[status]


def status_from_proto(number: int) -> Status:
    """Return the status of an enum value; an unknown one is TEMPERROR."""
    return _STATUS_BACK.get(number, Status.TEMPERROR)


def _known(kind: type[E], value: str, default: E) -> E:
    try:
        return kind(value)
    except ValueError:
        return default


def reason_from_text(value: str) -> Reason | None:
    """Return the reason, or None for an empty or unknown one."""
    try:
        return Reason(value)
    except ValueError:
        return None


def advice_from_text(value: str) -> Advice:
    """Return the advice; an unknown one is NONE."""
    return _known(Advice, value, Advice.NONE)


def signal_to_proto(signal: Signal) -> pb.Signal:
    """Return the message of a signal."""
    return pb.Signal(
        name=text(signal.name),
        score=signal.score,
        group=text(signal.group),
        description=text(signal.description),
        evidence=text(signal.evidence),
    )


def signal_from_proto(message: pb.Signal) -> Signal:
    """Return the signal of a message."""
    return Signal(
        name=message.name,
        # NaN compares false with every threshold and would let everything pass
        score=message.score if math.isfinite(message.score) else 0.0,
        group=message.group,
        description=message.description,
        evidence=message.evidence,
    )


def lookup_to_proto(lookup: Lookup) -> pb.Lookup:
    """Return the message of a look-up."""
    return pb.Lookup(
        kind=text(lookup.kind),
        question=text(lookup.question),
        answer=text(lookup.answer),
        seconds=lookup.seconds,
    )


def lookup_from_proto(message: pb.Lookup) -> Lookup:
    """Return the look-up of a message."""
    return Lookup(message.kind, message.question, message.answer, message.seconds)


def outcome_to_proto(outcome: Outcome) -> pb.Outcome:
    """Return the message of an outcome."""
    return pb.Outcome(
        check=text(outcome.check),
        status=_STATUS[outcome.status],
        signals=[signal_to_proto(signal) for signal in outcome.signals],
        advice=outcome.advice,
        reason=outcome.reason or "",
        detail=text(outcome.detail),
        lookups=[lookup_to_proto(lookup) for lookup in outcome.lookups],
        seconds=outcome.seconds,
    )


def outcome_from_proto(message: pb.Outcome) -> Outcome:
    """Return the outcome of a message."""
    return Outcome(
        check=message.check,
        status=status_from_proto(message.status),
        signals=tuple(signal_from_proto(signal) for signal in message.signals),
        advice=advice_from_text(message.advice),
        reason=reason_from_text(message.reason),
        detail=message.detail,
        lookups=tuple(lookup_from_proto(lookup) for lookup in message.lookups),
        seconds=message.seconds,
    )


def session_to_proto(session: Session) -> pb.Session:
    """Return the message of a session."""
    return pb.Session(
        id=session.id,
        listener=session.listener,
        client_ip=session.client_ip,
        client_port=session.client_port,
        proxy_ip=session.proxy_ip,
        helo=text(session.helo),
        esmtp=session.esmtp,
        tls_version=session.tls_version,
        tls_cipher=session.tls_cipher,
        auth_user=text(session.auth_user),
        trusted=session.trusted,
        connected_at=session.connected_at,
    )


def session_from_proto(message: pb.Session) -> Session:
    """Return the session of a message."""
    return Session(
        id=message.id,
        listener=_known(Listener, message.listener, Listener.MX),
        client_ip=message.client_ip,
        client_port=message.client_port,
        proxy_ip=message.proxy_ip,
        helo=message.helo,
        esmtp=message.esmtp,
        tls_version=message.tls_version,
        tls_cipher=message.tls_cipher,
        auth_user=message.auth_user,
        trusted=message.trusted,
        connected_at=message.connected_at,
    )


def envelope_to_proto(envelope: Envelope) -> pb.Envelope:
    """Return the message of an envelope."""
    return pb.Envelope(
        ref=envelope.ref,
        session=session_to_proto(envelope.session),
        sender=text(envelope.sender),
        recipients=[text(recipient) for recipient in envelope.recipients],
        received_at=envelope.received_at,
        eight_bit=envelope.eight_bit,
        smtputf8=envelope.smtputf8,
        tenant=text(envelope.tenant),
    )


def envelope_from_proto(message: pb.Envelope) -> Envelope:
    """Return the envelope of a message."""
    return Envelope(
        ref=message.ref,
        session=session_from_proto(message.session),
        sender=message.sender,
        recipients=tuple(message.recipients),
        received_at=message.received_at,
        eight_bit=message.eight_bit,
        smtputf8=message.smtputf8,
        tenant=message.tenant or "default",
    )


def client_to_proto(client: ClientFacts) -> pb.ClientFacts:
    """Return the message of what is known of a client."""
    return pb.ClientFacts(
        client_class=client.client_class,
        host=text(client.host),
        asn=client.asn,
        spf=text(client.spf),
        spf_domain=text(client.spf_domain),
        suspicion=client.suspicion,
        known=client.known,
        allowed=client.allowed,
    )


def client_from_proto(message: pb.ClientFacts) -> ClientFacts:
    """Return what a message says of a client."""
    return ClientFacts(
        client_class=_known(ClientClass, message.client_class, ClientClass.NONE),
        host=message.host,
        asn=message.asn,
        spf=message.spf,
        spf_domain=message.spf_domain,
        suspicion=message.suspicion if math.isfinite(message.suspicion) else 0.0,
        known=message.known,
        allowed=message.allowed,
    )
