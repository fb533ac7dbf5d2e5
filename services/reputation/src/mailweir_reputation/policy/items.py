"""What is asked, and what is answered, as values."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from mailweir_core.client import ClientFacts
from mailweir_core.net import NetworkSet, parse_ip
from mailweir_core.outcome import Outcome
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy


class Phase(StrEnum):
    """How far the session has come."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"


@dataclass(frozen=True, slots=True)
class Item:
    """One question; `sender` is empty for the null sender and before MAIL.

    `with_sender` at RCPT: nobody has asked about the sender yet, so it is looked at as at MAIL.
    """

    phase: Phase
    session: Session
    client: ClientFacts = field(default_factory=ClientFacts)
    sender: str = ""
    recipients: tuple[str, ...] = ()
    with_sender: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """Its answer. `valid_seconds` is 0 where the same question must be asked again."""

    outcome: Outcome
    client: ClientFacts
    valid_seconds: float = 0.0
    recipients: tuple[Outcome, ...] = ()


def exemption(session: Session, policy: Policy) -> str:
    """Return why nobody is asked about a client; empty where it is one to ask about.

    Our own users and networks are not strangers, and a proxy's address says nothing of who is behind it.
    """
    if session.trusted or session.auth_user:
        return "one of our own"
    if session.listener is not Listener.MX:
        return "a submission"
    address = parse_ip(session.client_ip)
    if address is None:
        return "no address"
    if address in _networks(policy.relay.trusted_networks):
        return "a trusted network"
    if address in _networks(policy.relay.proxy_networks):
        return "a proxy"
    return ""


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> NetworkSet:
    """Return a set for a policy's networks; each policy has few, and all clients are compared with them."""
    return NetworkSet(texts)
