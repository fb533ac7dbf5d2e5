"""The edge in a session: each phase asks the services at once, and hears one decision.

Nothing in here raises. A service that does not answer in the phase's time, or keeps failing, is an outcome
TEMPERROR, counted, and what follows from that is the policy's to say.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.client import ClientFacts
from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.asking import Line
from mailweir_ingress.metrics import Metrics, Phase
from mailweir_ingress.policy.concern import (
    counted,
    is_watched,
    may_wait,
    may_wait_for,
    message_counts,
)
from mailweir_ingress.policy.edge import (
    MessageFound,
    RecipientFacts,
    RecipientFound,
    RecipientsFound,
    Screened,
    on_recipient,
    on_screened,
)
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.ports import (
    STRANGER,
    Greylist,
    GreylistAnswer,
    GreylistQuestion,
    Offence,
    Ratelimit,
    RatelimitAnswer,
    RatelimitQuestion,
    Reputation,
    ReputationAnswer,
    ReputationQuestion,
    Stage,
)
from mailweir_policy.ratelimit import Unit

A = TypeVar("A")

REPORT_SECONDS: Final = 0.25
"""How long the reply to an offence waits for what follows from it."""

_TAKEN: Final = RecipientFound(None)


@dataclass(frozen=True, slots=True)
class Services:
    """The services that are deployed; None for one that is not."""

    reputation: Reputation | None = None
    greylist: Greylist | None = None
    ratelimit: Ratelimit | None = None

    @property
    def names(self) -> frozenset[str]:
        """Return the checks that somebody answers."""
        asked = (
            ("reputation", self.reputation),
            ("greylist", self.greylist),
            ("ratelimit", self.ratelimit),
        )
        return frozenset(name for name, service in asked if service is not None)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as far as a transaction knows: `outcomes` are what was said of client and sender before.

    `asked` says whether anybody was asked about the sender; that is done with the first recipients.
    """

    session: Session
    sender: str
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the services said of recipients; None for one that was not asked."""

    reputation: ReputationAnswer | None
    greylist: GreylistAnswer | None
    ratelimit: RatelimitAnswer | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A message whose content is judged, as the edge looks at it.

    `recipients` are those that may be greylisted; `score` is None where there is no verdict.
    """

    envelope: Envelope
    client: ClientFacts
    recipients: tuple[str, ...]
    bytes: int
    score: float | None


class Edge:
    """Asks the edge's services for every session of the process."""

    def __init__(
        self, services: Services, rules: Callable[[], Rules], clock: Clock, metrics: Metrics
    ) -> None:
        """Ask `services`; `rules` are those in force, for what no transaction has rules for."""
        self._services = services
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._reputation = Line("reputation", services.reputation, clock, metrics)
        self._greylist = Line("greylist", services.greylist, clock, metrics)
        self._ratelimit = Line("ratelimit", services.ratelimit, clock, metrics)
        self.deployed: Final = services.names
        """The checks that somebody answers."""

    async def screen(
        self, session: Session, rules: Rules, remembered: Screened | None = None
    ) -> Screened:
        """Look at a client that has connected.

        `remembered`: what was found when it came before; then only its coming is counted.
        """
        if not self.deployed or session.trusted:
            return Screened(None, STRANGER)
        counts = counted(session, rules)
        seconds = rules.policy.edge.connect_seconds
        started = self._clock.monotonic()
        reputation: asyncio.Task[ReputationAnswer] | None = None
        async with asyncio.TaskGroup() as both:
            if remembered is None and session.listener is Listener.MX:
                question = ReputationQuestion(Stage.CONNECT, session)
                reputation = self._reputation.begin(both, question, seconds)
            coming = RatelimitQuestion(
                Stage.CONNECT, session, STRANGER if remembered is None else remembered.client
            )
            ratelimit = None
            if Unit.CONNECTIONS in counts:
                ratelimit = self._ratelimit.begin(both, coming, seconds)
        self._took(Phase.CONNECT, started)
        found = _known(reputation.result()) if reputation is not None else remembered
        screened = _screened(found or Screened(None, STRANGER), ratelimit, rules)
        if screened.decision is not None and screened.decision.reason is Reason.LISTED:
            await self._is_listed(session, screened.decision.detail)
        return screened

    async def _is_listed(self, session: Session, lists: str) -> None:
        """Report a listed client that is turned away, where such are banned."""
        await self.offend(
            Offence(
                OffenceKind.LISTED,
                session.client_ip,
                session.proxy_ip,
                ref=session.id,
                evidence=lists,
            ),
            session,
        )

    def looks_at(self, who: Sender) -> bool:
        """Say whether anybody is asked about recipients of this sender.

        An allowed client's sender is looked at all the same: in the wrong name it is allowed no more.
        """
        if not self.deployed or not who.session.is_foreign:
            return False
        return not who.client.allowed or (self._services.reputation is not None and not who.asked)

    async def recipients(
        self, who: Sender, recipients: Sequence[str], rules: Rules
    ) -> RecipientsFound:
        """Look at recipients that exist, all at once; one answer for each, in order.

        Whoever has not been asked about the sender is asked about both in one question: no reply to MAIL
        depends on it, and most clients send RCPT with it. Greylisting goes by what is found then.
        """
        if not self.looks_at(who):
            return RecipientsFound((_TAKEN,) * len(recipients), who.client, who.outcomes)
        asked, started = tuple(recipients), self._clock.monotonic()
        about_sender = not who.asked and self._services.reputation is not None
        known, limits, waiting = await self._about(who, asked, rules, about_sender=about_sender)
        if known is not None and about_sender:
            who = replace(who, client=known.client, outcomes=(*who.outcomes, known.outcome))
            if may_wait(who.client, rules):
                again = GreylistQuestion(who.session, who.client, who.sender, asked)
                waiting = await self._greylist.ask(again, rules.policy.edge.recipient_seconds)
        self._took(Phase.RCPT, started)
        facts = _by_recipient(who, len(asked), _Answers(known, waiting, limits))
        each = tuple(on_recipient(one, rules) for one in facts)
        return RecipientsFound(each, who.client, who.outcomes)

    async def _about(
        self, who: Sender, asked: tuple[str, ...], rules: Rules, *, about_sender: bool
    ) -> tuple[ReputationAnswer | None, RatelimitAnswer | None, GreylistAnswer | None]:
        """Ask side by side what does not depend on each other's answers."""
        session, sender, client = who.session, who.sender, who.client
        policy = rules.policy.edge
        seconds = policy.recipient_seconds
        question = ReputationQuestion(
            Stage.RCPT, session, client, sender, asked, with_sender=about_sender
        )
        async with asyncio.TaskGroup() as group:
            reputation = self._reputation.begin(
                group, question, seconds + (policy.mail_seconds if about_sender else 0.0)
            )
            ratelimit = greylist = None
            if Unit.RECIPIENTS in counted(session, rules) and not client.allowed:
                burst = RatelimitQuestion(Stage.RCPT, session, client, sender, asked)
                ratelimit = self._ratelimit.begin(group, burst, seconds)
            if not about_sender and may_wait(client, rules):
                again = GreylistQuestion(session, client, sender, asked)
                greylist = self._greylist.begin(group, again, seconds)
        return _result(reputation), _result(ratelimit), _result(greylist)

    async def message(self, judged: Judged, rules: Rules) -> MessageFound:
        """Look at a message that its content would let in."""
        session = judged.envelope.session
        services, client = self._services, judged.client
        asks_greylist = (
            services.greylist is not None
            and bool(judged.recipients)
            and may_wait_for(judged.score, client, session, rules)
        )
        asks_ratelimit = services.ratelimit is not None and message_counts(session, client, rules)
        if not asks_greylist and not asks_ratelimit:
            return MessageFound()
        seconds = rules.policy.edge.recipient_seconds
        started = self._clock.monotonic()
        greylist: asyncio.Task[GreylistAnswer] | None = None
        ratelimit: asyncio.Task[RatelimitAnswer] | None = None
        sender = judged.envelope.sender
        async with asyncio.TaskGroup() as both:
            if asks_greylist:
                again = GreylistQuestion(
                    session, judged.client, sender, judged.recipients, judged.score
                )
                greylist = self._greylist.begin(both, again, seconds)
            if asks_ratelimit:
                message = RatelimitQuestion(
                    Stage.MESSAGE,
                    session,
                    judged.client,
                    sender,
                    judged.envelope.recipients,
                    judged.envelope.ref,
                    judged.bytes,
                    judged.score or 0.0,
                )
                ratelimit = self._ratelimit.begin(both, message, seconds)
        self._took(Phase.MESSAGE, started)
        waiting = greylist.result() if greylist is not None else GreylistAnswer(())
        return MessageFound(
            waiting.recipients,
            ratelimit.result().outcome if ratelimit is not None else None,
            waiting.wait_seconds,
        )

    def watches(self, kind: OffenceKind, session: Session) -> bool:
        """Say whether an offence of this client would be counted by anybody."""
        return self._services.ratelimit is not None and is_watched(kind, session, self._rules())

    async def offend(self, offence: Offence, session: Session) -> Ban | None:
        """Report an offence; returns the ban that follows, if one does. Never raises."""
        service = self._services.ratelimit
        if service is None or not self.watches(offence.kind, session):
            return None
        self._metrics.offences[offence.kind].inc()
        return await service.report(offence, REPORT_SECONDS)

    def _took(self, phase: Phase, started: float) -> None:
        self._metrics.seconds[phase].observe(self._clock.monotonic() - started)


def _result(task: asyncio.Task[A] | None) -> A | None:
    return None if task is None else task.result()


def _known(answer: ReputationAnswer) -> Screened:
    found = answer.outcome.status in (Status.OK, Status.HIT)
    seconds = answer.valid_seconds if found else 0.0
    return Screened(None, answer.client, (answer.outcome,), seconds)


def _screened(
    found: Screened, ratelimit: asyncio.Task[RatelimitAnswer] | None, rules: Rules
) -> Screened:
    """Return what was found of a client with the decision on it; what a limit said is not remembered."""
    listed = tuple(outcome for outcome in found.outcomes if outcome.check == "reputation")
    outcomes = listed if ratelimit is None else (*listed, ratelimit.result().outcome)
    decision = on_screened(outcomes, found.client, rules)
    return Screened(decision, found.client, outcomes, found.valid_seconds)


def _by_recipient(who: Sender, count: int, answers: _Answers) -> list[RecipientFacts]:
    """Return the facts on each recipient; what was said of client and sender holds for all."""
    known, waiting, limits = answers.reputation, answers.greylist, answers.ratelimit
    session = who.outcomes
    if known is not None and known.outcome not in session:
        session = (*session, known.outcome)
    return [
        RecipientFacts(
            client=who.client,
            session=session,
            reputation=_at(known.recipients, n) if known is not None else None,
            greylist=_at(waiting.recipients, n) if waiting is not None else None,
            ratelimit=_at(limits.recipients, n) if limits is not None else None,
            limits=limits.outcome if limits is not None else None,
            wait_seconds=waiting.wait_seconds if waiting is not None else 0.0,
        )
        for n in range(count)
    ]


def _at(outcomes: Sequence[Outcome], n: int) -> Outcome | None:
    return outcomes[n] if n < len(outcomes) else None
