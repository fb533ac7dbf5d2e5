"""The transaction: MAIL, RCPT, DATA."""

from types import MappingProxyType
from typing import Final

from mailweir_core.address import AddressError, EnvelopeAddress, parse_path
from mailweir_core.bans import OffenceKind
from mailweir_core.decision import Action, Decision
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.metrics import Phase
from mailweir_ingress.policy.decide import NO_MEMORY
from mailweir_ingress.policy.facts import MailFacts
from mailweir_ingress.policy.ownership import owns
from mailweir_ingress.policy.phases import (
    RECIPIENT_OK,
    RECIPIENTS,
    ROUTED,
    TOO_BIG,
    TOO_MANY_RECIPIENTS,
    UNVERIFIED,
    bad_recipient,
    bad_sender,
    on_account_ban,
    on_mail,
    recipient_limit,
    reject,
)
from mailweir_ingress.policy.relay import Standing, is_local, read_recipient, standing
from mailweir_ingress.policy.shedding import BUSY, is_stranger
from mailweir_ingress.ports import Existence, RecordKind
from mailweir_ingress.smtp.budget import Reservation
from mailweir_ingress.smtp.burst import burst
from mailweir_ingress.smtp.commands import MailCommand, read_mail, read_rcpt
from mailweir_ingress.smtp.conversation import TOO_MANY_ERRORS, Conversation, Transaction
from mailweir_ingress.smtp.intake import read_message
from mailweir_ingress.smtp.verbs_basic import NO_ARGUMENT, Answer
from mailweir_ingress.smtp.wire import SessionOver

_OFFENCES: Final = MappingProxyType(
    {
        Reason.UNKNOWN_RECIPIENT: OffenceKind.UNKNOWN_USER,
        Reason.RELAY_DENIED: OffenceKind.RELAY,
        Reason.LISTED: OffenceKind.LISTED,
    }
)
"""What a refused recipient counts as, by the reason."""

_GO_ON: Final = b"354 End data with <CR><LF>.<CR><LF>"
_NESTED: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "A transaction is under way already")
_MAIL_FIRST: Final = reject(Reason.BAD_SEQUENCE, 503, "5.5.1", "Say MAIL first")
_NOBODY: Final = reject(Reason.BAD_SEQUENCE, 554, "5.5.1", "There are no valid recipients")
_EARLY_DATA: Final = reject(
    Reason.BAD_SEQUENCE, 554, "5.5.0", "Wait for the reply to DATA, closing", close=True
)


async def mail(talk: Conversation, argument: str) -> Answer:
    """MAIL: begin a transaction."""
    if talk.transaction is not None:
        return _NESTED
    command = read_mail(argument)
    if isinstance(command, Decision):
        return command
    talk.rules = talk.house.rules()
    sender = parse_path(command.path, smtputf8=command.smtputf8, allow_null=True)
    if isinstance(sender, EnvelopeAddress) and sender.local and not sender.domain:
        sender = AddressError.SYNTAX  # a bare <postmaster> is for recipients
    if isinstance(sender, AddressError):
        decision = bad_sender(sender)
        talk.count_refusal(Phase.MAIL, decision)
        return decision
    return _begin(talk, sender, command)


def _begin(talk: Conversation, sender: EnvelopeAddress, command: MailCommand) -> Decision:
    if talk.door.listener is Listener.MX and not talk.trusted:
        talk.house.clientele.saw(talk.client)
    decision = on_mail(_mail_facts(talk, sender, command), talk.rules)
    if decision.reason is Reason.BAD_SEQUENCE:
        talk.count_refusal(Phase.MAIL, decision)
        return decision
    transaction = talk.begin(sender, command)
    if decision.action is Action.ACCEPT:
        decision = _blocked(talk) or _shed(talk) or decision
    if decision.action is Action.ACCEPT:
        talk.transaction = transaction
        return decision
    talk.count_refusal(Phase.MAIL, decision)
    talk.note(RecordKind.TRANSACTION, transaction, decision)
    return decision


def _blocked(talk: Conversation) -> Decision | None:
    """Return the refusal of an account that was blocked since it logged in."""
    if talk.account is None:
        return None
    ban = talk.house.bans.account(talk.account.login.lower(), talk.house.clock.now())
    return None if ban is None else on_account_ban(ban, "MAIL")


def _shed(talk: Conversation) -> Decision | None:
    """Return what a stranger is told that goes on with mail while there is too much to do."""
    if not talk.messages or talk.door.listener is not Listener.MX or talk.account is not None:
        return None  # whether there is room for its first mail was said when it came in
    if not is_stranger(talk.client_facts, trusted=talk.trusted) or talk.house.lets_in():
        return None
    return BUSY


def _mail_facts(talk: Conversation, sender: EnvelopeAddress, command: MailCommand) -> MailFacts:
    account = talk.account
    return MailFacts(
        listener=talk.door.listener,
        greeted=bool(talk.helo),
        encrypted=talk.link.encrypted,
        authenticated=account is not None,
        trusted=talk.trusted,
        messages=talk.messages,
        declared_bytes=command.size,
        local_sender=is_local(sender, talk.rules),
        null_sender=sender.is_null,
        sender_owned=account is not None and owns(account.senders, sender),
    )


async def rcpt(talk: Conversation, argument: str) -> Answer:
    """RCPT: add a recipient, if there is such a one and the client may send to it."""
    transaction = talk.transaction
    if transaction is None:
        return _MAIL_FIRST
    path = read_rcpt(argument)
    if isinstance(path, Decision):
        return path
    authenticated = talk.account is not None
    if len(transaction.recipients) >= recipient_limit(talk.rules, authenticated=authenticated):
        talk.refuse_recipient(path, TOO_MANY_RECIPIENTS)
        return TOO_MANY_RECIPIENTS
    decision = await _recipient(talk, transaction, path)
    if decision.action is not Action.ACCEPT:
        talk.refuse_recipient(path, decision)
        await _offended(talk, decision, path)
    return decision


async def _offended(talk: Conversation, decision: Decision, path: str) -> None:
    """Report a refused recipient where such are counted. Raises SessionOver where that is enough of them."""
    kind = _OFFENCES.get(decision.reason)
    if kind is None:
        return
    await talk.offend(kind, path)
    if kind is not OffenceKind.UNKNOWN_USER:
        return
    talk.unknown += 1
    rule = talk.rules.policy.ratelimit.intrusion.rules.unknown_user
    # Whoever counts over all sessions may be away; within one session nobody guesses any longer for that.
    if talk.unknown >= rule.count and talk.house.edge.watches(kind, talk.session):
        raise SessionOver(TOO_MANY_ERRORS)


async def _recipient(talk: Conversation, transaction: Transaction, path: str) -> Decision:
    rules = transaction.rules
    recipient = read_recipient(path, rules, smtputf8=transaction.command.smtputf8)
    if isinstance(recipient, Standing):
        return ROUTED
    if isinstance(recipient, AddressError):
        return bad_recipient(recipient)
    if recipient.key in rules.traps:
        await talk.offend(OffenceKind.TRAP, recipient.key)
    may_relay = talk.trusted or talk.account is not None
    where = standing(recipient, rules, may_relay=may_relay)
    decision = RECIPIENTS[where]
    if where is Standing.PROBE:
        decision = await _probed(talk, recipient)
    if decision is RECIPIENT_OK:
        decision = await _look_at_recipient(talk, transaction, recipient)
    if decision is RECIPIENT_OK:
        transaction.recipients.setdefault(recipient.key, str(recipient))
    return decision


async def _look_at_recipient(
    talk: Conversation, transaction: Transaction, recipient: EnvelopeAddress
) -> Decision:
    """Return what the edge says of a recipient that exists; the rest of its burst is asked about with it."""
    edge, known = talk.house.edge, transaction.found
    who = transaction.who(talk.session)
    if not edge.looks_at(who):
        return RECIPIENT_OK
    if recipient.key not in known:
        asked = burst(talk, transaction, recipient)
        found = await edge.recipients(who, tuple(asked.values()), transaction.rules)
        transaction.learn(found)
        known.update(zip(asked, found.recipients, strict=True))
    return known[recipient.key].decision or RECIPIENT_OK


async def _probed(talk: Conversation, recipient: EnvelopeAddress) -> Decision:
    await talk.link.flush()  # the answer may take seconds
    match await talk.house.probe.exists(recipient, talk.rules):
        case Existence.YES:
            return RECIPIENT_OK
        case Existence.NO:
            return RECIPIENTS[Standing.UNKNOWN]
        case Existence.UNKNOWN:
            return UNVERIFIED


async def data(talk: Conversation, argument: str) -> Answer:
    """DATA: read the message, have it judged and kept, and say what became of it."""
    transaction = talk.transaction
    if argument:
        return NO_ARGUMENT
    if transaction is None:
        return _MAIL_FIRST
    if not transaction.recipients:
        return _NOBODY
    refusal = _too_soon(talk)
    if refusal is not None:
        _end_refused(talk, transaction, refusal)
        return None
    talk.in_data = True
    try:
        talk.say(_GO_ON)
        await talk.link.flush()
        await _receive(talk, transaction)
    finally:
        talk.in_data = False
    return None


def _too_soon(talk: Conversation) -> Decision | None:
    early = bool(talk.link.input.pending)
    if early and talk.rules.policy.session.reject_early_data:
        return _EARLY_DATA
    return None if talk.house.budget.room else NO_MEMORY


async def _receive(talk: Conversation, transaction: Transaction) -> None:
    """Take the message in; the reply, with its reference, ends the transaction."""
    reservation = Reservation(talk.house.budget)
    try:
        arrival = await read_message(talk, transaction, reservation)
        if isinstance(arrival, Decision):
            _end_refused(talk, transaction, arrival)
            if arrival is TOO_BIG:
                size = talk.received
                await talk.offend(OffenceKind.SIZE, f"{size} bytes", measure=size)
            return
        received = await talk.house.receive(arrival)
    finally:
        reservation.release()
    decision = received.decision
    talk.answer(decision)
    talk.transaction = None
    if decision.action.takes_mail:
        talk.messages += 1
        talk.forgive()
    if received.offence is not None:
        score = received.score
        await talk.offend(received.offence, f"{transaction.ref}: {score:.1f}", measure=score)


def _end_refused(talk: Conversation, transaction: Transaction, refusal: Decision) -> None:
    """End a transaction whose data was not taken."""
    talk.count_refusal(Phase.DATA, refusal)
    talk.note(RecordKind.TRANSACTION, transaction, refusal)
    talk.answer(refusal)
    talk.transaction = None
