"""Marks of mail clients that do not fit each other: each writes its ids and boundaries in its own way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mailweir_core.net import parse_ip
from mailweir_scoring.policy.checks.common import has, is_list, owner_of
from mailweir_scoring.policy.checks.providers import provider_of, providers_of
from mailweir_scoring.policy.checks.senders import is_random
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check


@dataclass(frozen=True, slots=True)
class Client:
    """A client: what it calls itself, and the shape of the boundaries and message ids that it makes."""

    called: re.Pattern[str]
    boundary: re.Pattern[str]


_ANY: Final = re.compile("")
CLIENTS: Final = (
    Client(re.compile(r"Microsoft (?:Outlook Express|Outlook|Windows Live Mail|Windows Mail|Office Outlook)"),
           re.compile(r"----=_NextPart_|_00\d_|_0{3,}_|--")),
    Client(re.compile(r"Mozilla/5.*Thunderbird|Mozilla Thunderbird"), re.compile(r"-{8,}|=_")),
    Client(re.compile(r"Apple Mail|iPhone Mail|iPad Mail"), re.compile(r"Apple-Mail|=_|-{2,}")),
)  # fmt: skip
_OUTLOOK_EXPRESS: Final = re.compile(
    r"Microsoft Outlook Express [56]|Microsoft Outlook,? (?:Build|IMO)"
)
_EXPRESS_ID: Final = re.compile(
    r"<[0-9a-f]{8,16}\$[0-9a-f]{4,8}\$[0-9a-f]{4,8}@|<[A-Z]{3,}|@phx\.gbl|@hotmail|@msn",
    re.IGNORECASE,
)
_NEXT_PART: Final = re.compile(r"-{4}=_NextPart_\d{3}_[0-9A-F]{4}_[0-9A-F]{8}\.[0-9A-F]{8}")
_MS_MARKS: Final = (
    "x-mimeole",
    "x-mailer",
    "thread-index",
    "x-msmail-priority",
    "x-ms-has-attach",
    "x-originalarrivaltime",
)
_HOST: Final = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,12}", re.IGNORECASE)
_NO_TOP: Final = re.compile(r"\.(?!xn--)(?:[a-z]*\d[a-z\d]*|[a-z]|[a-z]{14,})$")
INTERNAL: Final = frozenset(
    {
        "local",
        "internal",
        "lan",
        "localdomain",
        "localhost",
        "corp",
        "home",
        "intra",
        "priv",
        "mail",
        "arpa",
    }
)
"""Top-level names that large senders use inside; they end up in message ids."""
_ZONE: Final = re.compile(r"([+-])(\d\d)(\d\d)(?:\s*\(.*\))?\s*$")
_LOCAL_HOST: Final = re.compile(
    r"@(?:localhost|localhost\.localdomain|win-[0-9a-z]{6,15}|desktop-[0-9a-z]{5,10}|vmi?\d{3,}|server|[0-9a-f]{12,})>?$",
    re.IGNORECASE,
)


@check("CLIENT_FORGED", "NEXTPART_FORGED", "MAILER_IS_HOST")
def client(facts: Facts) -> Iterator[Hit]:
    """A client's name over a message that it does not write so."""
    headers = facts.message.headers
    mailer = headers.get("x-mailer") or headers.get("user-agent") or ""
    identity = headers.get("message-id") or ""
    boundary = facts.message.root.content_type.get("boundary") or ""
    if (
        _OUTLOOK_EXPRESS.match(mailer)
        and identity
        and not _EXPRESS_ID.search(identity)
        and not is_list(facts)
    ):
        yield Hit("CLIENT_FORGED", f"{mailer}, {identity}")
    elif boundary and any(
        c.called.match(mailer) and not c.boundary.match(boundary) for c in CLIENTS
    ):
        yield Hit("CLIENT_FORGED", f"{mailer}, {boundary}")
    if _HOST.fullmatch(mailer.strip()):
        yield Hit("MAILER_IS_HOST", mailer)
    if _NEXT_PART.match(boundary) and not any(has(headers, name) for name in _MS_MARKS):
        yield Hit("NEXTPART_FORGED", boundary)


@check("DATE_ZONE", "MESSAGE_ID_HOST", "MESSAGE_ID_FOREIGN", "MESSAGE_ID_NO_DOMAIN")
def marks(facts: Facts) -> Iterator[Hit]:
    """A time zone that is none, and ids made at a nameless machine or at a stranger's."""
    date = facts.message.headers.get("date") or ""
    zone = _ZONE.search(date)
    if zone is not None and not _is_zone(zone[1], int(zone[2]), int(zone[3])):
        yield Hit("DATE_ZONE", date)
    identity = facts.message.message_id
    if not identity:
        return
    domain = identity.rpartition("@")[2].lower()
    if parse_ip(domain.strip("[]")) is not None:
        return
    if _NO_TOP.search(domain) or is_random(owner_of(domain).partition(".")[0]):
        yield Hit("MESSAGE_ID_NO_DOMAIN", identity)
    if is_list(facts):
        return
    if _LOCAL_HOST.search(identity):
        yield Hit("MESSAGE_ID_HOST", identity)
    elif _is_foreign(facts, domain):
        yield Hit("MESSAGE_ID_FOREIGN", identity)


def _is_zone(sign: str, hours: int, minutes: int) -> bool:
    return minutes in (0, 15, 30, 45) and hours <= (14 if sign == "+" else 12)


def _is_foreign(facts: Facts, host: str) -> bool:
    """Say whether the id's domain is nowhere else in the header: not the sender's, no server's on the way."""
    owner, view = owner_of(host), view_of(facts)
    if "." not in host or owner == view.sender_owner or host.rpartition(".")[2] in INTERNAL:
        return False
    names = (
        "received",
        "dkim-signature",
        "return-path",
        "sender",
        "reply-to",
        "list-unsubscribe",
        "references",
        "in-reply-to",
    )
    maker = provider_of(host)
    if maker and maker in providers_of(facts, without="message-id"):
        return False
    texts = (f.text.lower() for name in names for f in facts.message.headers.all(name)[:8])
    return not any(owner in text for text in texts) and has(facts.message.headers, "received")
