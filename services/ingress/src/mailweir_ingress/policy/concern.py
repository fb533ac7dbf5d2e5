"""Whom the edge's services are asked about: what nobody would act on is not asked."""

from typing import Final

from mailweir_core.bans import OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.net import parse_ip
from mailweir_core.record import Session
from mailweir_ingress.policy.rules import Rules
from mailweir_policy.greylist import GreylistMode
from mailweir_policy.ratelimit import Unit

_NOTHING: Final[frozenset[Unit]] = frozenset()


def counted(session: Session, rules: Rules) -> frozenset[Unit]:
    """Return what is counted of a client that is no user of ours."""
    return _NOTHING if parse_ip(session.client_ip) in rules.uncounted else rules.counts


def may_wait(client: ClientFacts, rules: Rules) -> bool:
    """Say whether greylisting could ask a client to come back before its data; for most it cannot."""
    policy = rules.policy.greylist
    if client.known or client.allowed or policy.mode is GreylistMode.OFF:
        return False
    return policy.mode is not GreylistMode.SUSPICIOUS or client.suspicion >= policy.suspicion


def may_wait_for(score: float | None, client: ClientFacts, session: Session, rules: Rules) -> bool:
    """Say whether greylisting could ask for a message of this score again; None is no verdict."""
    policy = rules.policy.greylist
    if policy.mode is GreylistMode.OFF or policy.score is None or score is None:
        return False
    known = client.known or client.allowed
    return score >= policy.score and session.is_foreign and not known


def message_counts(session: Session, client: ClientFacts, rules: Rules) -> bool:
    """Say whether a message counts: our users' always, others' where a limit counts messages."""
    if session.auth_user:
        return True
    if session.trusted or client.allowed:
        return False
    return not counted(session, rules).isdisjoint((Unit.MESSAGES, Unit.BYTES))


def is_watched(kind: OffenceKind, session: Session, rules: Rules) -> bool:
    """Say whether an offence of this client counts.

    Our own users and trusted clients are only watched for what fills sessions.
    """
    policy = rules.policy.ratelimit.intrusion
    rule = policy.rules.of(kind)
    if not policy.enabled or rule is None or not rule.enabled:
        return False
    if (session.trusted or session.auth_user) and kind is not OffenceKind.RESET:
        return False
    return parse_ip(session.client_ip) not in rules.never_banned
