"""Commands that carry no mail: greeting, TLS, and what clients send to pass the time."""

from typing import Final

from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.reasons import Reason
from mailweir_ingress.metrics import Phase
from mailweir_ingress.policy.facts import HeloFacts
from mailweir_ingress.policy.phases import on_helo, reject
from mailweir_ingress.smtp.conversation import Conversation
from mailweir_ingress.smtp.wire import SessionOver

_ADDRESS_BEGINS: Final = tuple("[0123456789")

Answer = Decision | bytes | None
"""What a verb leads to: a decision, reply lines as they are, or nothing because all is said."""


def done(code: int, enhanced: str, text: str, *, close: bool = False) -> Decision:
    """Return a reply that refuses nothing."""
    return Decision(Action.ACCEPT, Reason.CLEAN, Reply(code, enhanced, text), close=close)


OK: Final = done(250, "2.0.0", "Ok")
BYE: Final = done(221, "2.0.0", "Bye", close=True)
_CANNOT_VERIFY: Final = done(252, "2.5.0", "Send some mail, and I will try to deliver it")
_HELP: Final = done(214, "2.0.0", "See RFC 5321; commands are those of EHLO's reply")
_GO_TLS: Final = done(220, "2.0.0", "Ready to start TLS")
NO_ARGUMENT: Final = reject(Reason.BAD_SYNTAX, 501, "5.5.4", "This command takes no argument")
NOT_HERE: Final = reject(Reason.BAD_SYNTAX, 502, "5.5.1", "This command is not offered")
_NO_TLS: Final = reject(Reason.BAD_SEQUENCE, 502, "5.5.1", "TLS is not offered")
_TLS_TWICE: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "TLS is already active")
# Data comes behind BDAT without waiting for our reply; read as commands it would be smuggled mail.
_NO_CHUNKS: Final = reject(
    Reason.BAD_SYNTAX, 502, "5.5.1", "CHUNKING is not offered, closing", close=True
)
TLS_FAILED: Final = reject(Reason.TLS_FAILED, 454, "4.7.0", "TLS failed", close=True)


async def helo(talk: Conversation, argument: str) -> Answer:
    """HELO (RFC 5321 §4.1.1.1)."""
    return _greet(talk, argument, esmtp=False)


async def ehlo(talk: Conversation, argument: str) -> Answer:
    """EHLO, whose reply names what is offered."""
    return _greet(talk, argument, esmtp=True)


def _greet(talk: Conversation, name: str, *, esmtp: bool) -> Answer:
    talk.abort()
    talk.rules = talk.house.rules()
    facts = HeloFacts(
        name=name,
        client_ip=talk.client_ip,
        # asking the kernel is only worth it for a name that could be an address
        own_ip=talk.link.own[0] if name[:1] in _ADDRESS_BEGINS else "",
        known=talk.trusted or talk.is_submission,
    )
    decision = on_helo(facts, talk.rules)
    if decision.action is not Action.ACCEPT:
        talk.count_refusal(Phase.HELO, decision)
        return decision
    talk.greet(name, esmtp=esmtp)
    hostname = talk.rules.hostname.encode()
    if not esmtp:
        return b"250 " + hostname
    return b"250-" + hostname + b"\r\n" + _extensions(talk)


def _extensions(talk: Conversation) -> bytes:
    lines = [
        f"250-SIZE {talk.rules.policy.message.bytes}", "250-8BITMIME", "250-SMTPUTF8",
        "250-PIPELINING",
    ]  # fmt: skip
    if talk.door.tls is not None and not talk.link.encrypted:
        lines.append("250-STARTTLS")
    if talk.is_submission and talk.link.encrypted and talk.account is None:
        lines.append("250-AUTH PLAIN LOGIN")
    lines.append("250 ENHANCEDSTATUSCODES")
    return "\r\n".join(lines).encode()


async def starttls(talk: Conversation, argument: str) -> Answer:
    """STARTTLS (RFC 3207): what was pipelined behind it is thrown away, what was said before forgotten."""
    if argument:
        return NO_ARGUMENT
    if talk.link.encrypted:
        return _TLS_TWICE
    if talk.door.tls is None:
        return _NO_TLS
    talk.abort()
    talk.answer(_GO_TLS)
    await talk.link.flush()
    await begin_tls(talk)
    return None


async def begin_tls(talk: Conversation, hello: bytes | bytearray = b"") -> None:
    """Do the handshake, of which `hello` has come already; a failed one ends the session."""
    context = talk.door.tls
    tls = None if context is None else await talk.link.start_tls(context, hello)
    if tls is None:
        talk.house.metrics.handshakes_failed.inc()
        raise SessionOver(TLS_FAILED)
    talk.encrypted(tls)


async def rset(talk: Conversation, argument: str) -> Answer:
    """RSET: end the transaction."""
    if argument:
        return NO_ARGUMENT
    talk.abort()
    return OK


async def noop(talk: Conversation, argument: str) -> Answer:
    """NOOP, whose argument means nothing."""
    del talk, argument
    return OK


async def vrfy(talk: Conversation, argument: str) -> Answer:
    """VRFY: neither yes nor no (RFC 5321 §7.3)."""
    del talk, argument
    return _CANNOT_VERIFY


async def usage(talk: Conversation, argument: str) -> Answer:
    """HELP."""
    del talk, argument
    return _HELP


async def absent(talk: Conversation, argument: str) -> Answer:
    """EXPN, ETRN and the like: known, and not offered."""
    del talk, argument
    return NOT_HERE


async def bdat(talk: Conversation, argument: str) -> Answer:
    """BDAT (RFC 3030), which is not offered."""
    del talk, argument
    return _NO_CHUNKS


async def quit_(talk: Conversation, argument: str) -> Answer:
    """QUIT."""
    del argument
    talk.abort()
    return BYE
