"""AUTH (RFC 4954): our own users, on the ports for them, over TLS."""

from typing import Final

from mailweir_core.bans import Ban, OffenceKind, paused_login
from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_ingress.metrics import Login, Phase
from mailweir_ingress.policy.phases import defer, on_account_ban, reject
from mailweir_ingress.ports import Account, AccountsUnavailable
from mailweir_ingress.smtp.conversation import Conversation
from mailweir_ingress.smtp.lines import next_line
from mailweir_ingress.smtp.sasl import (
    CANCEL,
    EMPTY_CHALLENGE,
    PASSWORD,
    USERNAME,
    Credentials,
    credentials,
    decode,
    plain,
)
from mailweir_ingress.smtp.verbs_basic import NOT_HERE, Answer, done
from mailweir_ingress.smtp.wire import SessionOver

_GOOD: Final = done(235, "2.7.0", "Authentication succeeded")
_NEEDS_TLS: Final = reject(Reason.TLS_REQUIRED, 538, "5.7.11", "Issue STARTTLS first")
_TWICE: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "You are authenticated already")
_WITHIN: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "A transaction is under way")
_SYNTAX: Final = reject(Reason.BAD_SYNTAX, 501, "5.5.4", "Write AUTH PLAIN or AUTH LOGIN")
_MECHANISM: Final = reject(Reason.BAD_SYNTAX, 504, "5.5.4", "Only PLAIN and LOGIN are offered")
_CANCELLED: Final = reject(Reason.BAD_SYNTAX, 501, "5.7.0", "Authentication cancelled")
_UNREADABLE: Final = reject(Reason.BAD_SYNTAX, 501, "5.5.2", "That is no response to the challenge")
_BAD: Final = reject(Reason.AUTH_FAILED, 535, "5.7.8", "Login or password is wrong")
_ENOUGH: Final = defer(
    Reason.AUTH_FAILED, 421, "4.7.0", "Too many failed logins, closing", close=True
)
_UNAVAILABLE: Final = defer(
    Reason.AUTH_UNAVAILABLE, 454, "4.7.0", "Logins cannot be checked now, please come again"
)


async def auth(talk: Conversation, argument: str) -> Answer:
    """AUTH PLAIN or LOGIN, with or without an initial response."""
    refusal = _not_now(talk)
    if refusal is not None:
        return refusal
    mechanism, _, initial = argument.partition(" ")
    if not mechanism:
        return _SYNTAX
    response = initial.strip().encode("utf-8", "surrogateescape")
    match mechanism.upper():
        case "PLAIN":
            claimed = await _ask_plain(talk, response)
        case "LOGIN":
            claimed = await _ask_login(talk, response)
        case _:
            return _MECHANISM
    return claimed if isinstance(claimed, Decision) else await _check(talk, claimed)


def _not_now(talk: Conversation) -> Decision | None:
    if not talk.is_submission:
        return NOT_HERE
    if not talk.link.encrypted:
        return _NEEDS_TLS
    if talk.account is not None:
        return _TWICE
    return _WITHIN if talk.transaction is not None else None


async def _ask_plain(talk: Conversation, initial: bytes) -> Credentials | Decision:
    response = initial or await _challenge(talk, EMPTY_CHALLENGE)
    if isinstance(response, Decision):
        return response
    return plain(response) or _UNREADABLE


async def _ask_login(talk: Conversation, initial: bytes) -> Credentials | Decision:
    login = initial or await _challenge(talk, USERNAME)
    if isinstance(login, Decision):
        return login
    password = await _challenge(talk, PASSWORD)
    if isinstance(password, Decision):
        return password
    return credentials(decode(login), decode(password)) or _UNREADABLE


async def _challenge(talk: Conversation, challenge: bytes) -> bytes | Decision:
    """Return the client's answer to a challenge; it may cancel instead."""
    talk.say(challenge)
    line = await next_line(talk)
    if line is None:
        return _CANCELLED  # it has hung up
    response = line.rstrip(b"\r\n")
    return _CANCELLED if response == CANCEL else response


async def _check(talk: Conversation, claimed: Credentials) -> Decision:
    await talk.link.flush()
    metrics = talk.house.metrics
    refusal = _paused(talk, claimed.login)
    if refusal is not None:
        return refusal
    try:
        account = await talk.house.accounts.login(claimed.login, claimed.password)
    except AccountsUnavailable:
        metrics.logins[Login.UNAVAILABLE].inc()
        return _UNAVAILABLE
    if account is None:
        metrics.logins[Login.BAD].inc()
        return await _failed(talk, claimed.login)
    return _welcome(talk, account)


def _paused(talk: Conversation, login: str) -> Decision | None:
    """Return the refusal of a login that may not come in from here for now, whatever its password."""
    if talk.client is None:
        return None
    name = paused_login(login, talk.client)
    return _refusal(talk, talk.house.bans.account(name, talk.house.clock.now()))


def _welcome(talk: Conversation, account: Account) -> Decision:
    """Let in who has the password, unless the account is blocked; only its owner learns of that."""
    ban = talk.house.bans.account(account.login.lower(), talk.house.clock.now())
    refusal = _refusal(talk, ban)
    if refusal is not None:
        return refusal
    talk.house.metrics.logins[Login.GOOD].inc()
    talk.log_in(account)
    return _GOOD


def _refusal(talk: Conversation, ban: Ban | None) -> Decision | None:
    if ban is None:
        return None
    refusal = on_account_ban(ban, "AUTH")
    talk.house.metrics.logins[Login.BLOCKED].inc()
    talk.count_refusal(Phase.AUTH, refusal)
    return refusal


async def _failed(talk: Conversation, login: str) -> Decision:
    """Answer late, and not often."""
    limits = talk.rules.policy.session
    talk.auth_failures += 1
    talk.count_refusal(Phase.AUTH, _BAD)
    await talk.offend(OffenceKind.LOGIN, login, login=login)
    await talk.house.pause(limits.auth_failure_delay_seconds)
    if talk.auth_failures >= limits.auth_failures:
        raise SessionOver(_ENOUGH)
    return _BAD
