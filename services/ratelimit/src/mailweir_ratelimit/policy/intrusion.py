"""Intrusion prevention: what an offence counts for.

An offence is weighed: it counts against a network, or it is spared for a reason. What counts is tallied over
all sessions and processes.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from mailweir_core.bans import ACCOUNT, MAX_EVIDENCE, OffenceKind, ban_network, paused_login
from mailweir_core.net import Address, Network, parse_ip
from mailweir_policy.ratelimit import IntrusionPolicy, OffenceRule
from mailweir_ratelimit.policy.evidence import clean
from mailweir_ratelimit.policy.protected import Protected
from mailweir_ratelimit.policy.tally import MAX_COUNT, Window

MAX_REF: Final = 40
MAX_LOGIN: Final = 254
LOGGED_IN_COUNTS: Final = frozenset({OffenceKind.CONNECTIONS, OffenceKind.RESET, OffenceKind.LOGIN})
"""What a session that has logged in can be banned for; a failed login names a login without being one."""


@dataclass(frozen=True, slots=True)
class Offence:
    """Something a client did.

    `login` is the one that was tried for a failed login, for any other kind the one that the session has
    logged in with. `measure` is a score or a number of bytes, for kinds that have a measure. `allowed`:
    an allow list knows the client.
    """

    kind: OffenceKind
    client_ip: str
    proxy_ip: str = ""
    login: str = ""
    ref: str = ""
    evidence: str = ""
    count: int = 1
    measure: float = 0.0
    allowed: bool = False


class Spared(StrEnum):
    """Why an offence does not count."""

    OFF = "off"  # no intrusion prevention, or not for this kind
    UNKNOWN = "unknown"  # nobody knows whose it is
    PROXY = "proxy"
    TRUSTED = "trusted"
    NEVER = "never"
    INTERNAL = "internal"
    ALLOWED = "allowed"
    LOGGED_IN = "logged-in"
    BELOW = "below"  # its measure is too small


@dataclass(frozen=True, slots=True)
class Charge:
    """An offence that counts: against which network, or against a login there, within which window."""

    subject: str
    kind: OffenceKind
    window: Window
    count: int
    sample: str
    ref: str
    client: Address
    measure: float = 0.0
    """Least score, or bytes, of one that counts."""
    login: str = ""


def weigh(offence: Offence, policy: IntrusionPolicy, protected: Protected) -> Charge | Spared:
    """Return what an offence counts for, or why it does not count."""
    rule = policy.rules.of(offence.kind)
    if not policy.enabled or rule is None or not rule.enabled:
        return Spared.OFF
    address = parse_ip(offence.client_ip)
    if address is None:
        return Spared.UNKNOWN
    spared = _protection(offence, address, protected)
    if spared is not None:
        return spared
    if offence.login and offence.kind not in LOGGED_IN_COUNTS:
        return Spared.LOGGED_IN
    if not offence.measure >= rule.measure:  # no number is not enough either
        return Spared.BELOW
    network = _subject(address, protected)
    return _charge(offence, rule, str(network), address)


def _protection(offence: Offence, address: Address, protected: Protected) -> Spared | None:
    if address == parse_ip(offence.proxy_ip):
        return Spared.PROXY
    if offence.allowed:
        return Spared.ALLOWED
    why = protected.of(address)
    return None if why is None else Spared(why.value)


def _subject(address: Address, protected: Protected) -> Network:
    """Return what is banned of a client: less than usual where somebody protected lives beside it."""
    usual = ban_network(address)
    return usual if protected.overlapping(usual) is None else ip_network(address)


def _charge(offence: Offence, rule: OffenceRule, subject: str, address: Address) -> Charge:
    return Charge(
        subject=subject,
        kind=offence.kind,
        window=Window(rule.count, rule.seconds),
        count=max(0, min(offence.count, MAX_COUNT)),
        sample=clean(offence.evidence, MAX_EVIDENCE)
        or (f"{offence.measure:g}" if rule.measure else ""),
        ref=clean(offence.ref, MAX_REF),
        client=address,
        measure=rule.measure,
        login=clean(offence.login.lower(), MAX_LOGIN) if offence.kind is OffenceKind.LOGIN else "",
    )


def login_charge(charge: Charge, policy: IntrusionPolicy) -> Charge | None:
    """Return what a failed login counts for besides: against its name from that network."""
    pause = policy.login_pause
    if charge.kind is not OffenceKind.LOGIN or not (charge.login and pause.enabled):
        return None
    return replace(
        charge,
        subject=f"{ACCOUNT}{paused_login(charge.login, charge.client)}",
        window=Window(pause.count, pause.seconds),
    )


def paused_from(network: str) -> str:
    """Return what the account of a login ends with that is paused from a network."""
    return f" from {network}"
