"""Received fields to relays, and how far they can be trusted."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from .received_shapes import ADDRESS, LATER_SHAPES, MAIL_FETCHER, NO_HANDOVER, SHAPES, Shape

MAX_RELAYS: Final = 100
MAX_FIELD: Final = 2048
"""Characters of one Received field that are read."""
Network = IPv4Network | IPv6Network
_BLANKS: Final = re.compile(r"\s+")
_DATE: Final = re.compile(
    r"[\s;]+(?:(?:Mon|Tue|Thu|Wed|Fri|Sat|Sun), )?\d{1,2} "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d+ "
    r"\d+:\d+(?::\d+)? \S+\Z"
)
_ID: Final = re.compile(r" id <?([^\s<>;]{3,})")
_NAME: Final = r"([-A-Za-z0-9.^+_&:=?!@%*$\\/]+)(?:[^-A-Za-z0-9.^+_&:=?!@%*$\\/]|$)"
_HELO: Final = (re.compile(r"\bhelo=" + _NAME), re.compile(r"\b(?:HELO|EHLO) " + _NAME))
_BY: Final = re.compile(r" by (\S+)(?:[^-A-Za-z0-9;.]|$)")
_ENVELOPE: Final = re.compile(
    r"(?:return-path:? |envelope-(?:sender|from)[ =])(\S+)\b", re.IGNORECASE
)
_LOCAL_BY: Final = re.compile(r"from (\S+) by [^\s;]+ ?;", re.IGNORECASE)
_SUBMITTED: Final = re.compile(
    r"\(from \S+@localhost\) by \S+ |\(from [^\s@]+@[^)]+\) by \S+\(jqueuemail\) id "
)
_IP_ONLY: Final = re.compile(r"\[[\d.]+\]\Z")
_BRACKETED: Final = re.compile(rf"\[({ADDRESS})\]", re.IGNORECASE)
_UNSAFE: Final = re.compile(r"[\s\0#\[\]()<>|]")
_SUB_HELO: Final = re.compile(r"helo=(\S+)")
_SUB_IDENT: Final = re.compile(r"ident=(\S*)")
_MAPPED: Final = re.compile(r"\A0*:0*:(?:0*:)*ffff:(\d+\.\d+\.\d+\.\d+)\Z", re.IGNORECASE)
_ZONE: Final = re.compile(r"%[A-Z0-9._~-]*\Z", re.IGNORECASE)
_PRIVATE: Final = re.compile(
    r"(?:::ffff:)?(?:10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\."
    r"|fe[89ab][0-9a-f]:|(?:0{0,4}:){2,7}0{0,3}1\Z",
    re.IGNORECASE,
)
_AUTHENTICATED: Final = (
    re.compile(r" with ((?:ES|L|UTF8S|UTF8L)MTPS?A|ASMTP|HTTP[SU]?)(?: |;|$)", re.IGNORECASE),
    re.compile(
        r"^from .*?(?:\]\)|\)\]) \(AUTH: (LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) \S+(?:, .*?)?\) by "
    ),
    re.compile(r" \(via (HTTP.?)\)(?: |;|$)", re.IGNORECASE),
)
_SENDMAIL_AUTH: Final = re.compile(
    r"^from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by"
)
_POSTFIX_AUTH: Final = re.compile(r"\) \(Authenticated sender: \S+\) by \S+ \(([^)]+)\) with ")
_GMX_AUTH: Final = re.compile(
    rf"from \S* \((?:HELO|EHLO) \S*\) \[{ADDRESS}\] by (mail\.gmx\.(?:net|com)) \([^)]+\) with (E?SMTP)"
)


@dataclass(frozen=True, slots=True)
class Relay:
    """One handover. `envfrom` is None where it is not told; `auth` is how the client proved itself."""

    ip: str = ""
    rdns: str = ""
    helo: str = ""
    by: str = ""
    ident: str = ""
    envfrom: str | None = None
    id: str = ""
    auth: str = ""
    no_rdns: bool = False
    internal: bool = False

    @property
    def is_private(self) -> bool:
        """Say whether the client's address is no public one."""
        return is_private(self.ip)

    def __str__(self) -> str:
        """Return the form that rules on X-Spam-Relays-* look at."""
        return (
            f"[ ip={self.ip} rdns={self.rdns} helo={self.helo} by={self.by} ident={self.ident} "
            f"envfrom={self.envfrom or ''} intl={int(self.internal)} id={self.id} auth={self.auth} msa=0 ]"
        )


@dataclass(slots=True)
class Trail:
    """The relays of one message, the last one first. The indexes count Received fields, -1 for none."""

    trusted: list[Relay] = field(default_factory=list)
    untrusted: list[Relay] = field(default_factory=list)
    internal: list[Relay] = field(default_factory=list)
    external: list[Relay] = field(default_factory=list)
    unparseable: int = 0
    last_trusted: int = -1
    last_internal: int = -1


def is_private(ip: str) -> bool:
    """Say whether an address is local, private or of a carrier's shared space."""
    return _PRIVATE.match(ip) is not None


def follow(fields: Iterable[str], first: Relay | None, networks: Sequence[Network]) -> Trail:
    """Follow the Received fields downwards as long as they can be believed.

    `first` is the handover to ourselves, where it is known and no field tells it. Without `networks` a relay
    is trusted as long as the client's address is private or it has authenticated itself.
    """
    trail, trusted = Trail(), True
    if first is not None:
        trusted = _add(trail, first, _is_trusted(first, networks))
    for number, text in enumerate(fields):
        if number >= MAX_RELAYS:
            break
        relay = parse(text[:MAX_FIELD])
        if isinstance(relay, Relay):
            trusted = _add(trail, relay, trusted and _is_trusted(relay, networks))
            continue
        trail.unparseable += relay is None
        if relay is True and trusted and not trail.untrusted:
            # A fetcher took the mail from a box: what handed it there counts, not what came after.
            trail.trusted.clear()
            trail.internal.clear()
        if trusted:
            trail.last_trusted += 1
            trail.last_internal += 1
    return trail


def _is_trusted(relay: Relay, networks: Sequence[Network]) -> bool:
    if relay.auth:
        return True
    if not networks:
        return relay.is_private
    try:
        address = ip_address(relay.ip)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _add(trail: Trail, relay: Relay, trusted: bool) -> bool:
    relay = replace(relay, internal=trusted)
    if trusted:
        trail.trusted.append(relay)
        trail.internal.append(relay)
        trail.last_trusted += 1
        trail.last_internal += 1
    else:
        trail.untrusted.append(relay)
        trail.external.append(relay)
    return trusted


def parse(text: str) -> Relay | bool | None:
    """Read one field: a relay, or None where it cannot be read.

    False stands for what is no handover over a network, True for the mark of a mail fetcher.
    """
    text = _BLANKS.sub(" ", text).strip(" ")
    while text.endswith(";"):
        text = text[:-1].removesuffix(" ")
    if text[:5].lower() != "from " and text[:6].lower() != "(from ":
        return False
    if " with local for " in text:
        return False
    local = _LOCAL_BY.match(text)
    if local and not _IP_ONLY.match(local[1]):
        return False
    text = _DATE.sub("", text).replace(")by ", ") by ", 1)
    base = Relay(
        helo=_first(_HELO[0], text) or _first(_HELO[1], text),
        by=_first(_BY, text),
        id=_first(_ID, text),
        auth=_auth(text),
    )
    if not text.startswith("from "):
        return False if _SUBMITTED.match(text) else _fallback(text, base)
    envelope = _ENVELOPE.search(text)
    if envelope:
        base = replace(base, envfrom=envelope[1])
    return _from_clause(text[5:], base)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _auth(text: str) -> str:
    for number, pattern in enumerate(_AUTHENTICATED):
        if number != 1 and " by " not in text:
            continue
        found = pattern.search(text)
        if found:
            return found[1]
        if number == 1:
            other = _other_auth(text)
            if other:
                return other
    return ""


def _other_auth(text: str) -> str:
    if "uthenticated" in text:
        if "authenticated" in text and _SENDMAIL_AUTH.search(text):
            return "Sendmail"
        found = _POSTFIX_AUTH.search(text)
        if found:
            return found[1] if found[1] == "Postfix" else f"Postfix ({found[1]})"
    found = _GMX_AUTH.search(text)
    if found:
        return f"GMX ({found[2]} / {found[1]})"
    if "CommuniGate Pro " in text and " (account " in text:
        return "Communigate"
    return "HTTP-DAV" if " with Microsoft Exchange Server HTTP-DAV" in text else ""


def _from_clause(text: str, base: Relay) -> Relay | bool | None:
    if "Exim" in text and re.search(r"\bwith local(?:-\S+)? ", text):
        return False
    if text.startswith("mail pickup service by ") and text.endswith("with Microsoft SMTPSVC"):
        return False
    relay = _match(SHAPES, text, base)
    if relay is not None:
        return relay
    if MAIL_FETCHER.search(text):
        return True
    relay = _match(LATER_SHAPES, text, base)
    if relay is not None:
        return relay
    if any(pattern.match(text) for pattern in NO_HANDOVER):
        return False
    return _fallback(text, base)


def _match(shapes: Iterable[Shape], text: str, base: Relay) -> Relay | None:
    for shape in shapes:
        if shape.sign and shape.sign not in text:
            continue
        found = shape.pattern.match(text)
        if found:
            return _finished(_filled(found.groupdict(), base, shape.dns))
    return None


def _filled(found: dict[str, str | None], base: Relay, dns: bool) -> Relay:
    name, sub = found.get("name"), found.get("sub") or ""
    helo = found.get("helo") if found.get("helo") is not None else name
    ident = found.get("ident") or ""
    if sub:
        helo = _first(_SUB_HELO, sub) or helo
        ident = _first(_SUB_IDENT, sub)
    rdns = found.get("rdns") or name or ""
    return replace(
        base,
        ip=found.get("ip") or "",
        rdns="" if rdns == "unknown" else rdns,
        helo=base.helo if helo is None else helo,
        by=found.get("by") or base.by,
        ident=ident,
        no_rdns=dns,
    )


def _fallback(text: str, base: Relay) -> Relay | None:
    """Take any address in brackets, if it is told who took the mail."""
    found = _BRACKETED.search(text)
    if found is None or not base.by:
        return None
    return _finished(replace(base, ip=found[1]))


def _finished(relay: Relay) -> Relay:
    rdns = relay.rdns.rstrip(".")
    if rdns.lower() == "unknown" or rdns.startswith("["):
        rdns = ""
    ip = _ZONE.sub("", re.sub(r"\Aipv6:", "", relay.ip, flags=re.IGNORECASE).strip("[]"))
    ip = _MAPPED.sub(r"\1", ip)
    envfrom = relay.envfrom
    if envfrom is not None:
        envfrom = _clean(envfrom.strip().lstrip("<").rstrip(">"))
    return replace(
        relay,
        ip=_clean(ip),
        rdns=_clean(rdns),
        helo=_clean(relay.helo),
        by=_clean(relay.by.removesuffix(";")),
        ident=_clean(relay.ident),
        envfrom=envfrom,
        no_rdns=relay.no_rdns and not rdns,
    )


def _clean(text: str) -> str:
    return _UNSAFE.sub("!", text)
