"""Running a session: from the first byte to the last, whatever the client does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mailweir_core.bans import OffenceKind
from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_ingress.metrics import Ending, Phase
from mailweir_ingress.policy.decide import INTERNAL
from mailweir_ingress.policy.entry import NOT_WEB
from mailweir_ingress.policy.phases import AT_ONCE, SHUTTING_DOWN, reject
from mailweir_ingress.ports import RecordKind
from mailweir_ingress.smtp import verbs_auth, verbs_basic, verbs_mail
from mailweir_ingress.smtp.commands import HTTP_VERBS, split_command
from mailweir_ingress.smtp.conversation import SOFT_ERROR_SECONDS, TOO_MANY_ERRORS, Conversation
from mailweir_ingress.smtp.guest import Guest
from mailweir_ingress.smtp.house import Door
from mailweir_ingress.smtp.intake import HUNG_UP
from mailweir_ingress.smtp.lines import next_line
from mailweir_ingress.smtp.preface import open_session
from mailweir_ingress.smtp.proxy import SIGNATURE, V1_MARK
from mailweir_ingress.smtp.sessions import Member
from mailweir_ingress.smtp.verbs_basic import BYE, Answer
from mailweir_ingress.smtp.wire import Connection, SessionOver

_UNKNOWN: Final = reject(Reason.BAD_SYNTAX, 500, "5.5.2", "There is no such command")
_UNREADABLE: Final = reject(Reason.BAD_SYNTAX, 500, "5.5.2", "That is no command line")
_PROXY: Final = reject(Reason.BAD_PROXY, 500, "5.5.2", "You are no proxy of ours", close=True)
_BARE_NEWLINE: Final = reject(
    Reason.BARE_NEWLINE, 500, "5.5.2", "Lines must end in CR LF, closing", close=True
)

_CRASHED: Final = replace(INTERNAL, close=True)

VERBS: Final[Mapping[bytes, Callable[[Conversation, str], Awaitable[Answer]]]] = MappingProxyType(
    {
        b"HELO": verbs_basic.helo,
        b"EHLO": verbs_basic.ehlo,
        b"STARTTLS": verbs_basic.starttls,
        b"AUTH": verbs_auth.auth,
        b"MAIL": verbs_mail.mail,
        b"RCPT": verbs_mail.rcpt,
        b"DATA": verbs_mail.data,
        b"RSET": verbs_basic.rset,
        b"NOOP": verbs_basic.noop,
        b"QUIT": verbs_basic.quit_,
        b"VRFY": verbs_basic.vrfy,
        b"HELP": verbs_basic.usage,
        b"EXPN": verbs_basic.absent,
        b"ETRN": verbs_basic.absent,
        b"TURN": verbs_basic.absent,
        b"ATRN": verbs_basic.absent,
        b"SEND": verbs_basic.absent,
        b"SOML": verbs_basic.absent,
        b"SAML": verbs_basic.absent,
        b"BDAT": verbs_basic.bdat,
    }
)
_PASTIMES: Final = frozenset({b"RSET", b"NOOP"})
_JUNK: Final = frozenset({b"RSET", b"NOOP", b"VRFY", b"HELP", b"HELO", b"EHLO", b"EXPN", b"ETRN"})

# Sessions that end so were turned away, and are recorded; the others have ended by themselves or by our
# own doing.
_TURNED_AWAY: Final = frozenset(
    {
        Reason.TOO_MANY_SESSIONS, Reason.MEMORY_FULL, Reason.EARLY_TALKER, Reason.HTTP_VERB,
        Reason.BAD_PROXY, Reason.TOO_MANY_ERRORS, Reason.AUTH_FAILED, Reason.LINE_TOO_LONG,
        Reason.BANNED,
    }
)  # fmt: skip


async def serve(link: Connection, door: Door, guest: Guest, seat: Member) -> None:
    """Run one session to its end, of a client that was let in and whose seat it takes over.

    Raises nothing but cancellation.
    """
    talk = Conversation(link, door, guest)
    sessions, metrics = door.house.sessions, door.house.metrics
    ending = Ending.CRASHED
    sessions.hand_over(seat, talk)
    metrics.sessions_open[door.listener].inc()
    try:
        ending = await _run(talk)
    except Exception:
        door.house.log.exception("session_crashed", ref=talk.id)
    finally:
        sessions.leave(talk)
        metrics.sessions_open[door.listener].dec()
        metrics.sessions[door.listener, ending].inc()
        _account(talk, ending)


async def _run(talk: Conversation) -> Ending:
    try:
        ending = await _converse(talk)
    except SessionOver as over:
        talk.answer(over.decision)
        ending = Ending.HANGUP if over.decision is HUNG_UP else Ending.CLOSED
    talk.abort()
    closing = talk.closing
    if closing is not None and closing.reason in _TURNED_AWAY:
        talk.note(RecordKind.SESSION, None, closing)
    await talk.link.flush()
    if ending is Ending.CLOSED and closing is not None and closing.reason not in AT_ONCE:
        await talk.link.linger()
    return ending


async def _converse(talk: Conversation) -> Ending:
    await open_session(talk)
    while talk.closing is None:
        if talk.house.sessions.draining:
            raise SessionOver(SHUTTING_DOWN)
        line = await next_line(talk)
        if line is None:
            return Ending.HANGUP
        await _obey(talk, line)
        if talk.errors:
            await _discipline(talk)
    return Ending.QUIT if talk.closing is BYE else Ending.CLOSED


async def _obey(talk: Conversation, line: bytes) -> None:
    """Answer one command line."""
    if not line.endswith(b"\r\n") and talk.rules.policy.message.bare_newline == "reject":
        talk.answer(_BARE_NEWLINE)
        return
    command = split_command(line.rstrip(b"\r\n"))
    if command is None:
        talk.answer(_UNREADABLE)
        return
    verb, argument = command
    run = VERBS.get(verb)
    if run is None:
        talk.answer(_not_a_verb(talk, verb, line))
        return
    try:
        if verb in _JUNK:
            await _count_junk(talk, verb)
        answer = await run(talk, argument)
    except SessionOver:
        raise
    except Exception:
        talk.house.log.exception("command_crashed", ref=talk.ref)
        # Nobody knows whether what comes next is a command or the rest of a message: the session ends.
        answer = _CRASHED
    if isinstance(answer, Decision):
        talk.answer(answer)
    elif answer is not None:
        talk.say(answer)


def _not_a_verb(talk: Conversation, verb: bytes, line: bytes) -> Decision:
    if verb in HTTP_VERBS:
        return NOT_WEB
    rest_of_v2 = SIGNATURE.removeprefix(b"\r\n")
    if line.startswith(V1_MARK) or (
        line == b"\r\n" and talk.link.input.pending.startswith(rest_of_v2)
    ):
        talk.count_refusal(Phase.CONNECT, _PROXY)
        talk.house.log.warning("proxy_header_from_stranger", ref=talk.id, client_ip=talk.client_ip)
        return _PROXY
    return _UNKNOWN


async def _count_junk(talk: Conversation, verb: bytes) -> None:
    """Count a command that brings no mail; beyond a number each is an error, and may lead to a ban."""
    talk.junk += 1
    if talk.junk > talk.rules.policy.session.junk_commands:
        talk.errors += 1
        if verb in _PASTIMES:
            await talk.offend(OffenceKind.RESET, verb.decode())


async def _discipline(talk: Conversation) -> None:
    """Slow down a client with too many errors, and end it with far too many."""
    limits = talk.rules.policy.session
    if talk.closing is not None:
        return
    if talk.errors >= limits.hard_errors:
        talk.answer(TOO_MANY_ERRORS)
    elif talk.errors > limits.soft_errors:
        await talk.house.pause(SOFT_ERROR_SECONDS)


def _account(talk: Conversation, ending: Ending) -> None:
    """Count replies and write the session's one line."""
    for digit, count in enumerate(talk.replies):
        if count:
            talk.house.metrics.replies[digit].inc(count)
    talk.house.log.info(
        "session_ended",
        ref=talk.id,
        listener=talk.door.listener,
        client_ip=talk.client_ip,
        proxy_ip=talk.proxy_ip,
        helo=talk.helo,
        tls=talk.tls[0],
        ending=ending,
        reason=talk.closing.reason if talk.closing is not None and talk.closing is not BYE else "",
        messages=talk.messages,
        transactions=talk.transactions,
        errors=talk.errors,
        seconds=round(talk.house.clock.now() - talk.connected_at, 3),
    )
