"""A session in progress: its connection, what is known of the client, and how it answers."""

from dataclasses import dataclass, field
from typing import Final

from mailweir_core.address import EnvelopeAddress
from mailweir_core.bans import MAX_EVIDENCE, OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.decision import Decision
from mailweir_core.ids import message_ref
from mailweir_core.net import Address
from mailweir_core.outcome import Outcome
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.checks import of_recipients, recorded
from mailweir_ingress.edge import Sender
from mailweir_ingress.metrics import Phase
from mailweir_ingress.policy.edge import RecipientFound, RecipientsFound
from mailweir_ingress.policy.entry import on_ban
from mailweir_ingress.policy.phases import TOO_MANY_RECIPIENTS, defer
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.ports import Account, Offence, Record, RecordKind, Refused
from mailweir_ingress.smtp.commands import MailCommand
from mailweir_ingress.smtp.guest import Guest
from mailweir_ingress.smtp.house import Door, House
from mailweir_ingress.smtp.pulse import Pulse
from mailweir_ingress.smtp.wire import Connection, SessionOver

MAX_REFUSED_RECORDED: Final = 100
MAX_ADDRESS_RECORDED: Final = 256
OVERSHOOT: Final = 1000
"""Recipients over the limit that are no error yet: a client may learn the limit only by being told."""
SOFT_ERROR_SECONDS: Final = 1.0

TOO_MANY_ERRORS: Final = defer(
    Reason.TOO_MANY_ERRORS, 421, "4.7.0", "Too many errors, closing", close=True
)


@dataclass(slots=True)
class Transaction:
    """From MAIL to the end of its data, by the rules that were in force at MAIL."""

    ref: str
    sender: EnvelopeAddress
    command: MailCommand
    rules: Rules
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()
    """What the checks said before any recipient."""
    recipients: dict[str, str] = field(default_factory=dict)
    """By the form that is compared, as they are kept."""
    refusals: list[tuple[str, Decision]] = field(default_factory=list)
    """Refused recipients as they were given."""
    found: dict[str, RecipientFound] = field(default_factory=dict)
    """What the edge said of recipients, by the form that is compared; some may not have been named yet."""
    sender_asked: bool = False
    """The edge's services have been asked about the sender, with the first recipients."""
    overshoot: int = 0

    def who(self, session: Session) -> Sender:
        """Return who sends, as the edge is asked about it."""
        return Sender(session, str(self.sender), self.client, self.outcomes, self.sender_asked)

    def learn(self, found: RecipientsFound) -> None:
        """Take in what is known of client and sender now."""
        self.client, self.outcomes, self.sender_asked = found.client, found.outcomes, True

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Return the refused recipients as a record has them."""
        return tuple(
            Refused(address[:MAX_ADDRESS_RECORDED], d.action, d.reason, d.reply.line(self.ref))
            for address, d in self.refusals
        )

    @property
    def checks(self) -> tuple[Outcome, ...]:
        """Return what the checks said of this transaction, client and recipients."""
        answers = [self.found[key].outcomes if key in self.found else () for key in self.recipients]
        return (*self.outcomes, *of_recipients(answers))

    @property
    def unspared(self) -> tuple[str, ...]:
        """Return the recipients for whom the sender may have to come back, once there is content."""
        found = self.found
        return tuple(
            address
            for key, address in self.recipients.items()
            if key not in found or not found[key].spared
        )


class Conversation:
    """One session's state. Verbs read and change it; `dialogue` runs it."""

    def __init__(self, link: Connection, door: Door, guest: Guest) -> None:
        """Begin before the banner, with a client that was let in."""
        self.link = link
        self.door = door
        self.house: House = door.house
        self.rules = guest.rules
        self.connected_at = guest.at
        self.id = guest.id
        self.teased = guest.teased
        self.client_facts = guest.facts
        """What the edge knows of the client since it connected; a transaction adds to a copy."""
        self.outcomes = guest.outcomes
        """What the checks said when the client connected."""
        self.pulse = Pulse()
        self.in_data = False
        self.closing: Decision | None = None
        self.client: Address | None = guest.caller.client
        self.client_ip = guest.caller.ip
        self.client_port = guest.caller.port
        self.proxy_ip = guest.caller.proxy_ip
        self.trusted = self.client in self.rules.trusted
        self.helo = ""
        self.esmtp = False
        self.tls = ("", "")
        self.account: Account | None = None
        self.transaction: Transaction | None = None
        self.transactions = 0
        self.messages = 0
        self.errors = 0
        self.junk = 0
        self.unknown = 0
        self.received = 0  # bytes of the last data
        self.auth_failures = 0
        self.replies = [0] * 6  # by first digit
        self._session: Session | None = None

    def expire(self, decision: Decision) -> None:
        """Have the session end at its next wait for the client."""
        self.link.expire(decision)

    def cut(self) -> None:
        """Break the connection off."""
        self.link.cut()

    # -- who is who

    def greet(self, helo: str, *, esmtp: bool) -> None:
        """Take the client's name; whatever was under way ends with it (RFC 5321 §4.1.4)."""
        self.helo, self.esmtp = helo, esmtp
        self._session = None

    def encrypted(self, tls: tuple[str, str]) -> None:
        """Note TLS; nothing that was said before holds any more (RFC 3207 §4.2)."""
        self.tls = tls
        self.greet("", esmtp=False)

    def log_in(self, account: Account) -> None:
        """Note who the client is."""
        self.account = account
        self._session = None

    @property
    def session(self) -> Session:
        """Return the session's facts as they are now."""
        if self._session is None:
            self._session = Session(
                id=self.id,
                listener=self.door.listener,
                client_ip=self.client_ip,
                client_port=self.client_port,
                proxy_ip=self.proxy_ip,
                helo=self.helo,
                esmtp=self.esmtp,
                tls_version=self.tls[0],
                tls_cipher=self.tls[1],
                auth_user=self.account.login if self.account else "",
                trusted=self.trusted,
                connected_at=self.connected_at,
            )
        return self._session

    @property
    def login(self) -> str:
        """Return whom the client has logged in as, or nothing."""
        return self.account.login if self.account is not None else ""

    @property
    def allowed(self) -> bool:
        """Say whether an allow list vouches for the client."""
        return self.client_facts.allowed

    @property
    def is_submission(self) -> bool:
        """Say whether the client came by a door for our own users."""
        return self.door.listener is not Listener.MX

    @property
    def ref(self) -> str:
        """Return the reference of what is under way: the transaction's, else the session's."""
        return self.transaction.ref if self.transaction is not None else self.id

    # -- answering

    def say(self, lines: bytes) -> None:
        """Put reply lines in line as they are."""
        self.replies[lines[0] - 48] += 1
        self.link.say(lines)

    def answer(self, decision: Decision) -> None:
        """Put a decision's reply in line, with the reference; a refusal counts as an error of the client."""
        code = decision.reply.code
        self.replies[code // 100] += 1
        # Nothing of the client's words is in here unless it is text.
        self.link.say(decision.reply.line(self.ref).encode("utf-8", "replace"))
        if decision.close:
            self.closing = decision
        if code >= 400 and not self._may_overshoot(decision):
            self.errors += 1

    def _may_overshoot(self, decision: Decision) -> bool:
        """Say whether this is about recipients over the limit, and not yet too many of them."""
        if decision is not TOO_MANY_RECIPIENTS or self.transaction is None:
            return False
        self.transaction.overshoot += 1
        return self.transaction.overshoot <= OVERSHOOT

    def forgive(self) -> None:
        """Forget errors and junk: the client has delivered mail."""
        self.errors = self.junk = 0

    # -- transactions

    def begin(self, sender: EnvelopeAddress, command: MailCommand) -> Transaction:
        """Return a transaction with a reference of its own."""
        self.transactions += 1
        ref = message_ref(self.id, self.transactions)
        client, outcomes = self.client_facts, self.outcomes
        return Transaction(ref, sender, command, self.rules, client, outcomes)

    def abort(self) -> None:
        """End the transaction, if there is one; what it refused is recorded."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None and transaction.refusals:
            self.note(RecordKind.TRANSACTION, transaction, transaction.refusals[-1][1])

    def refuse_recipient(self, address: str, decision: Decision) -> None:
        """Remember a refused recipient for the record."""
        self.count_refusal(Phase.RCPT, decision)
        transaction = self.transaction
        if transaction is not None and len(transaction.refusals) < MAX_REFUSED_RECORDED:
            transaction.refusals.append((address, decision))

    def count_refusal(self, phase: Phase, decision: Decision) -> None:
        """Count a refusal."""
        self.house.metrics.refusals[phase, decision.reason].inc()

    async def offend(
        self,
        kind: OffenceKind,
        evidence: str = "",
        *,
        login: str = "",
        measure: float = 0.0,
    ) -> None:
        """Report an offence of the client. Raises SessionOver where it is banned for it."""
        edge, session = self.house.edge, self.session
        if not edge.watches(kind, session):
            return
        client = self.client_facts if self.transaction is None else self.transaction.client
        offence = Offence(
            kind,
            session.client_ip,
            session.proxy_ip,
            login or session.auth_user,
            self.ref,
            evidence[:MAX_EVIDENCE],
            measure=measure,
            allowed=client.allowed,
        )
        ban = await edge.offend(offence, session)
        if ban is not None and self.rules.policy.ratelimit.intrusion.close:
            raise SessionOver(on_ban(ban))

    def envelope(self, transaction: Transaction | None, *, received_at: float) -> Envelope:
        """Return the envelope as far as it is known."""
        if transaction is None:
            return Envelope(self.id, self.session, "", (), received_at)
        return Envelope(
            ref=transaction.ref,
            session=self.session,
            sender=str(transaction.sender),
            recipients=tuple(transaction.recipients.values()),
            received_at=received_at,
            eight_bit=transaction.command.eight_bit,
            smtputf8=transaction.command.smtputf8,
        )

    def note(self, kind: RecordKind, transaction: Transaction | None, decision: Decision) -> None:
        """Record a refused session, transaction or message, when there is time."""
        now = self.house.clock.now()
        self.house.keeper.note(
            Record(
                kind=kind,
                envelope=self.envelope(transaction, received_at=now),
                decision=decision,
                reply=decision.reply.line(self.id if transaction is None else transaction.ref),
                judged_at=now,
                config_version=self.rules.version,
                checks=self._checks(transaction),
                refused=() if transaction is None else transaction.refused,
            )
        )

    def _checks(self, transaction: Transaction | None) -> tuple[Outcome, ...]:
        """Return what a record says of the checks; nothing where nobody was asked."""
        outcomes = self.outcomes if transaction is None else transaction.checks
        return recorded(outcomes, self.house.edge.deployed) if outcomes else ()
