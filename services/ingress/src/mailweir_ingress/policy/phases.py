"""Decisions before the data: connect, HELO, MAIL, RCPT."""

from types import MappingProxyType
from typing import Final, Literal

from mailweir_core.address import AddressError
from mailweir_core.bans import Ban
from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.net import parse_ip
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.facts import ConnectFacts, HeloFacts, MailFacts
from mailweir_ingress.policy.relay import Standing
from mailweir_ingress.policy.rules import Rules


def defer(reason: Reason, code: int, enhanced: str, text: str, *, close: bool = False) -> Decision:
    """Return a temporary refusal."""
    return Decision(Action.DEFER, reason, Reply(code, enhanced, text), close=close)


def reject(reason: Reason, code: int, enhanced: str, text: str, *, close: bool = False) -> Decision:
    """Return a permanent refusal."""
    return Decision(Action.REJECT, reason, Reply(code, enhanced, text), close=close)


def _go(code: int, enhanced: str, text: str) -> Decision:
    return Decision(Action.ACCEPT, Reason.CLEAN, Reply(code, enhanced, text))


WELCOME: Final = _go(220, "", "ESMTP Mailweir")
GREETED: Final = _go(250, "", "")
SENDER_OK: Final = _go(250, "2.1.0", "Sender ok")
RECIPIENT_OK: Final = _go(250, "2.1.5", "Recipient ok")

AT_ONCE: Final = frozenset(
    {Reason.TOO_MANY_SESSIONS, Reason.MEMORY_FULL, Reason.OVERLOADED, Reason.SHUTTING_DOWN}
)
"""Waiting until such a client has read its reply would keep what there is too little of."""

SHUTTING_DOWN: Final = defer(
    Reason.SHUTTING_DOWN, 421, "4.3.2", "Shutting down, please come again", close=True
)
SESSIONS_FULL: Final = defer(
    Reason.TOO_MANY_SESSIONS, 421, "4.3.2", "Too many sessions, please come again", close=True
)
CLIENT_FULL: Final = defer(
    Reason.TOO_MANY_SESSIONS, 421, "4.7.0", "Too many sessions from your network", close=True
)
MEMORY_FULL: Final = defer(
    Reason.MEMORY_FULL, 421, "4.3.1", "Too busy, please come again", close=True
)
EARLY_TALKER: Final = reject(
    Reason.EARLY_TALKER, 554, "5.5.1", "You spoke before your turn", close=True
)
BAD_PROXY: Final = defer(Reason.BAD_PROXY, 421, "4.3.5", "Bad PROXY header", close=True)

_BAD_HELO: Final = reject(Reason.BAD_HELO, 550, "5.7.1", "That is my name, not yours")
_HELO_SYNTAX: Final = reject(
    Reason.BAD_SYNTAX, 501, "5.5.4", "Give your host name, and nothing else"
)
_HELO_FIRST: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "Say HELO or EHLO first")
_TLS_FIRST: Final = reject(Reason.TLS_REQUIRED, 530, "5.7.0", "Issue STARTTLS first")
_AUTH_FIRST: Final = reject(Reason.AUTH_REQUIRED, 530, "5.7.0", "Authentication required")
_ENOUGH: Final = defer(
    Reason.TOO_MANY_COMMANDS, 421, "4.7.0", "Enough messages for one session", close=True
)
TOO_BIG: Final = reject(Reason.TOO_BIG, 552, "5.3.4", "The message is too big")
_NOT_OWNED: Final = reject(
    Reason.SENDER_NOT_OWNED, 550, "5.7.1", "You may not send from this address"
)
_LOCAL_SENDER: Final = reject(
    Reason.LOCAL_SENDER_UNAUTHENTICATED, 550, "5.7.1", "Authenticate to send from this domain"
)
TOO_MANY_RECIPIENTS: Final = defer(
    Reason.TOO_MANY_RECIPIENTS, 452, "4.5.3", "Too many recipients, send the others later"
)
ROUTED: Final = reject(
    Reason.RELAY_DENIED, 550, "5.7.1", "Mail is not routed through here by its address"
)
UNVERIFIED: Final = defer(
    Reason.RECIPIENT_UNVERIFIED, 451, "4.4.3", "The recipient could not be verified yet"
)

_BLOCKED_TEXT: Final = "This account is blocked, ask your administrator"
_PAUSED_TEXT: Final = "This account is blocked for now, please come again"
ACCOUNT_BLOCKED: Final = MappingProxyType(
    {
        "AUTH": reject(Reason.ACCOUNT_BLOCKED, 535, "5.7.13", _BLOCKED_TEXT),  # RFC 5248 §3
        "MAIL": reject(Reason.ACCOUNT_BLOCKED, 550, "5.7.13", _BLOCKED_TEXT),
    }
)
ACCOUNT_PAUSED: Final = MappingProxyType(
    {
        "AUTH": defer(Reason.ACCOUNT_BLOCKED, 454, "4.7.0", _PAUSED_TEXT),
        "MAIL": defer(Reason.ACCOUNT_BLOCKED, 450, "4.7.0", _PAUSED_TEXT),
    }
)

RECIPIENTS: Final = MappingProxyType(
    {
        Standing.LOCAL: RECIPIENT_OK,
        Standing.RELAY: RECIPIENT_OK,
        Standing.PROBE: UNVERIFIED,  # what a probe leads to when it gives no answer
        Standing.UNKNOWN: reject(
            Reason.UNKNOWN_RECIPIENT, 550, "5.1.1", "There is no such recipient here"
        ),
        Standing.DENIED: reject(Reason.RELAY_DENIED, 550, "5.7.1", "Relaying denied"),
        Standing.ROUTED: ROUTED,
        Standing.LITERAL: reject(
            Reason.BAD_ADDRESS, 550, "5.1.2", "Address literals are not supported"
        ),
    }
)
"""The decision on a recipient by its standing."""


def on_connect(facts: ConnectFacts, rules: Rules) -> Decision:
    """Decide whether a client may begin a session."""
    limits = rules.policy.session
    if facts.draining:
        return SHUTTING_DOWN
    if facts.sessions > limits.sessions:
        return SESSIONS_FULL
    if facts.client_sessions > limits.sessions_per_client:
        return CLIENT_FULL
    if not facts.memory_left:
        return MEMORY_FULL
    return WELCOME


def on_helo(facts: HeloFacts, rules: Rules) -> Decision:
    """Decide on a HELO or EHLO name: one word, and not our own name or address."""
    name = facts.name
    if not name or len(name) > 255 or not name.isprintable() or " " in name:
        return _HELO_SYNTAX
    if not facts.known and rules.policy.relay.reject_own_name_helo and _is_ours(facts, rules):
        return _BAD_HELO
    return GREETED


def _is_ours(facts: HeloFacts, rules: Rules) -> bool:
    name = facts.name.rstrip(".").casefold()
    if name == rules.hostname.casefold():
        return True
    literal = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    own = parse_ip(facts.own_ip)
    # A client on our own machine has our address and may say so.
    return (
        own is not None
        and own != parse_ip(facts.client_ip)
        and parse_ip(literal.removeprefix("ipv6:")) == own
    )


def on_mail(facts: MailFacts, rules: Rules) -> Decision:
    """Decide whether a transaction may begin."""
    policy = rules.policy
    if not facts.greeted and (policy.relay.require_helo or facts.listener is not Listener.MX):
        return _HELO_FIRST
    if facts.listener is not Listener.MX and not facts.authenticated:
        return _AUTH_FIRST if facts.encrypted else _TLS_FIRST
    if facts.messages >= policy.session.messages_per_session:
        return _ENOUGH
    if facts.declared_bytes > policy.message.bytes:
        return TOO_BIG
    return _on_sender(facts, rules)


def _on_sender(facts: MailFacts, rules: Rules) -> Decision:
    if facts.null_sender:
        return SENDER_OK
    if facts.authenticated:
        if rules.policy.submission.sender_must_be_owned and not facts.sender_owned:
            return _NOT_OWNED
        return SENDER_OK
    refuse_local = rules.policy.relay.reject_local_sender_unauthenticated
    if refuse_local and facts.local_sender and not facts.trusted:
        return _LOCAL_SENDER
    return SENDER_OK


def on_account_ban(ban: Ban, verb: Literal["AUTH", "MAIL"]) -> Decision:
    """Return the refusal of a banned account: temporary where the ban has an end."""
    return (ACCOUNT_PAUSED if ban.until else ACCOUNT_BLOCKED)[verb]


def recipient_limit(rules: Rules, *, authenticated: bool) -> int:
    """Return how many recipients one message may have."""
    policy = rules.policy
    both = policy.session.recipients_per_message
    return min(both, policy.submission.recipients_per_message) if authenticated else both


def bad_sender(error: AddressError) -> Decision:
    """Return the refusal of a malformed MAIL path."""
    if error is AddressError.NEEDS_UTF8:
        return reject(Reason.BAD_ADDRESS, 553, "5.6.7", f"Sender refused: {error}")
    return reject(Reason.BAD_ADDRESS, 501, "5.1.7", f"Sender refused: {error}")


def bad_recipient(error: AddressError) -> Decision:
    """Return the refusal of a malformed RCPT path."""
    if error is AddressError.NEEDS_UTF8:
        return reject(Reason.BAD_ADDRESS, 553, "5.6.7", f"Recipient refused: {error}")
    return reject(Reason.BAD_ADDRESS, 501, "5.1.3", f"Recipient refused: {error}")
