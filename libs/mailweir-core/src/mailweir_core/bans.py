"""Bans as they are kept: who is turned away, why, since when and until when.

One service writes them and every ingress keeps a copy, so their stored form is here. `subject` is a network
in CIDR form, `account:<login>`, or `account:<login> from <network>` for a login that is paused from one
network alone; the key of a ban is made of it.
"""

import base64
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final

from mailweir_core.net import Address, Network, joined, parse_network

ACCOUNT: Final = "account:"
MAX_EVIDENCE: Final = 200
MAX_SUBJECT: Final = 300


class OffenceKind(StrEnum):
    """What a client can be banned for."""

    CONNECTIONS = "connections"
    LOGIN = "login"
    UNKNOWN_USER = "unknown-user"
    RELAY = "relay"
    RESET = "reset"  # RSET and NOOP
    SCORE = "score"
    LISTED = "listed"
    SIZE = "size"
    TRAP = "trap"
    CONTENT = "content"
    MANUAL = "manual"


CODES: Final = MappingProxyType(
    {
        OffenceKind.CONNECTIONS: "I",
        OffenceKind.LOGIN: "L",
        OffenceKind.UNKNOWN_USER: "P",
        OffenceKind.RELAY: "Y",
        OffenceKind.RESET: "R",
        OffenceKind.SCORE: "S",
        OffenceKind.LISTED: "D",
        OffenceKind.SIZE: "M",
        OffenceKind.TRAP: "A",
        OffenceKind.CONTENT: "C",
        OffenceKind.MANUAL: "U",
    }
)
"""The letter that admins know each kind by."""


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban. Times are seconds since the epoch; `until` 0 has no end; `strikes` counts bans in a row."""

    subject: str
    kind: OffenceKind
    evidence: str
    since: float
    until: float
    strikes: int = 1
    close_all: bool = False
    by: str = "intrusion"

    @property
    def account(self) -> str:
        """Return the login that is banned, of one that is paused with where from; empty for a network."""
        return self.subject.removeprefix(ACCOUNT) if self.subject.startswith(ACCOUNT) else ""

    def holds(self, now: float) -> bool:
        """Say whether it is in force."""
        return not self.until or now < self.until


def ban_network(address: Address) -> Network:
    """Return what is banned of a client at first: its IPv4 address, the /64 that an IPv6 subscriber has."""
    return ip_network((address, 32 if address.version == 4 else 64), strict=False)


def paused_login(login: str, address: Address) -> str:
    """Return what `Ban.account` is for a login that is paused from the network of an address."""
    return f"{login.lower()} from {ban_network(address)}"


def networks_in_force(bans: Iterable[Ban], now: float) -> list[Network]:
    """Return what is banned now as networks that do not overlap, IPv4 first, each in order."""
    return joined(parse_network(ban.subject) for ban in bans if not ban.account and ban.holds(now))


def ban_key(subject: str) -> str:
    """Return the key that a subject's ban is stored by."""
    return base64.b32encode(subject.encode()).decode().rstrip("=").lower()


def dump_ban(ban: Ban) -> bytes:
    """Return the stored form."""
    return json.dumps(asdict(ban), separators=(",", ":")).encode()


def load_ban(data: bytes) -> Ban:
    """Return the ban in its stored form; raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    subject, evidence, by = (document.get(name) for name in ("subject", "evidence", "by"))
    since, until, strikes = (document.get(name) for name in ("since", "until", "strikes"))
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise ValueError("subject must be a text")
    if not subject.startswith(ACCOUNT):
        parse_network(subject)
    if not isinstance(evidence, str) or not isinstance(by, str):
        raise ValueError("evidence and by must be texts")
    return Ban(
        subject=subject,
        kind=OffenceKind(str(document.get("kind"))),
        evidence=evidence[:MAX_EVIDENCE],
        since=_time(since),
        until=_time(until),
        strikes=strikes if isinstance(strikes, int) and strikes > 0 else 1,
        close_all=document.get("close_all") is True,
        by=by[:MAX_EVIDENCE],
    )


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("since and until must be numbers")
    return float(value)
