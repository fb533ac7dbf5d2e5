"""Decisions before a session exists: who is turned away at once, who waits and for how long."""

from types import MappingProxyType
from typing import Final

from mailweir_core.bans import CODES, Ban, OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.decision import Decision
from mailweir_core.net import Address
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.clientele import PRIVATE
from mailweir_ingress.policy.phases import EARLY_TALKER, defer, reject
from mailweir_ingress.policy.rules import Rules

WAITING_SHARE: Final = 0.5
"""Part of `session.sessions` that clients may take up by waiting, so that there is room for the known."""
HTTP_VERBS: Final = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"CONNECT ", b"OPTIONS ", b"DELETE ")

NOT_WEB: Final = reject(Reason.HTTP_VERB, 554, "5.5.1", "This is not a web server", close=True)
NO_PROXY_HEADER: Final = defer(
    Reason.BAD_PROXY, 421, "4.3.5", "A PROXY header was expected from here", close=True
)
STRANGE_PROXY: Final = defer(Reason.BAD_PROXY, 421, "4.3.5", "You are no proxy of ours", close=True)
PROXY_AS_CLIENT: Final = defer(
    Reason.BAD_PROXY, 421, "4.3.5", "The PROXY header names a proxy", close=True
)
SILENT_PROXY: Final = defer(Reason.BAD_PROXY, 421, "4.3.5", "No PROXY header in time", close=True)
BANNED_NOW: Final = defer(
    Reason.BANNED, 421, "4.7.0", "You are banned for now, closing", close=True
)

_FOR_NOW: Final = MappingProxyType(
    {
        kind: defer(
            Reason.BANNED, 421, "4.7.0", f"Your network is banned for now ({code})", close=True
        )
        for kind, code in CODES.items()
    }
)
_FOR_GOOD: Final = MappingProxyType(
    {
        kind: reject(Reason.BANNED, 554, "5.7.1", f"Your network is banned ({code})", close=True)
        for kind, code in CODES.items()
    }
)


def on_ban(ban: Ban) -> Decision:
    """Return the refusal of a banned client: temporary where the ban has an end, so that no mail is lost."""
    kind: OffenceKind = ban.kind
    return _FOR_NOW[kind] if ban.until else _FOR_GOOD[kind]


def lacks_proxy_header(peer: Address | None, rules: Rules) -> bool:
    """Say whether a peer can only be a proxy that nobody has listed.

    Where there are proxies, a private address that is neither theirs nor trusted is one that a balancer or
    the cluster's network has put in the client's place: judging it would be judging everybody.
    """
    return bool(rules.proxies) and peer in PRIVATE and peer not in rules.trusted


def seconds_to_wait(
    client: Address | None, facts: ClientFacts, rules: Rules, *, sessions: int
) -> float:
    """Return how long a client waits for the banner; `sessions` are open, waiting ones included."""
    wait = rules.policy.edge.wait
    if not wait.enabled or facts.known or facts.allowed:
        return 0.0
    if client in rules.trusted or client in rules.unhurried:
        return 0.0
    stressed = sessions >= wait.stress_share * rules.policy.session.sessions
    return wait.stress_seconds if stressed else wait.seconds


def may_wait(waiting: int, rules: Rules) -> bool:
    """Say whether one more client may wait beside so many."""
    return waiting < WAITING_SHARE * rules.policy.session.sessions


def on_early_words(words: bytes | bytearray) -> Decision:
    """Return the refusal of a client that spoke before the banner."""
    return NOT_WEB if words.upper().startswith(HTTP_VERBS) else EARLY_TALKER
