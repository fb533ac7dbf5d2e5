"""What the edge's services say, weighed by the policy into one decision for each phase of a session.

Services find out and advise; what a finding leads to stands in `policy.edge`. What could not be found out
never refuses for good: the most that follows from it is what `policy.degradation` names.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailweir_core.client import CORRESPONDENT, ClientFacts
from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.remedies import Told, refusal_of, weighed
from mailweir_ingress.policy.rules import Rules
from mailweir_policy import OnOutage
from mailweir_policy.edge import Remedy

UNCHECKED = Decision(
    Action.DEFER,
    Reason.CHECK_UNAVAILABLE,
    Reply(451, "4.3.0", "We cannot check who you are now, please come again"),
)
_HELD_UNCHECKED = Decision(
    Action.HOLD,
    Reason.UNSCANNED,
    Reply(250, "2.0.0", "Message accepted"),
    detail="held, since a check of the session could not be made",
)


@dataclass(frozen=True, slots=True)
class Screened:
    """What the edge says of a client that has connected.

    `decision` None lets it in; else its reply is the only banner that the client gets. What reputation said
    may be remembered for the client for `valid_seconds`; 0 is not at all.
    """

    decision: Decision | None
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()
    valid_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RecipientFound:
    """What the edge says of one recipient; `decision` None takes it.

    `spared` recipients are not greylisted: the sender is known to them.
    """

    decision: Decision | None
    outcomes: tuple[Outcome, ...] = ()
    spared: bool = False


@dataclass(frozen=True, slots=True)
class RecipientsFound:
    """What the edge says of several recipients, in order, and what is known of client and sender then."""

    recipients: tuple[RecipientFound, ...]
    client: ClientFacts
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """The answers on one recipient. `session` are those on the client and the sender, of earlier phases.

    `reputation`, `greylist` and `ratelimit` are None where that service was not asked. `limits` is what
    ratelimit said of the client, `ratelimit` what of the recipient.
    """

    client: ClientFacts
    session: tuple[Outcome, ...] = ()
    reputation: Outcome | None = None
    greylist: Outcome | None = None
    ratelimit: Outcome | None = None
    limits: Outcome | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MessageFound:
    """The answers on a message whose content is judged, and everything that the session's checks said before.

    `greylist` has an outcome for each recipient that was asked about.
    """

    greylist: tuple[Outcome, ...] = ()
    ratelimit: Outcome | None = None
    wait_seconds: float = 0.0
    session: tuple[Outcome, ...] = field(default=())

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return every outcome, the session's first."""
        limits = () if self.ratelimit is None else (self.ratelimit,)
        return (*self.session, *self.greylist, *limits)


NOTHING_FOUND = MessageFound()


def on_screened(outcomes: Sequence[Outcome], client: ClientFacts, rules: Rules) -> Decision | None:
    """Decide on a client that has connected; milder refusals wait until the recipients are known."""
    if client.allowed:
        return None
    for outcome in outcomes:
        if outcome.check == "ratelimit":
            if outcome.status is Status.HIT and _refuses(outcome):
                return _too_fast(outcome, 421, close=True)
            continue
        remedy, temporary = weighed(outcome, rules)
        if remedy is Remedy.CLOSE:
            return refusal_of(outcome, Told.BANNER, temporary=temporary)
    return None


def on_recipient(facts: RecipientFacts, rules: Rules) -> RecipientFound:
    """Decide on one recipient: refusals for good first, then for now, then what could not be found out."""
    own = facts.reputation
    welcome = own is not None and own.advice is Advice.ALLOW
    answers = (own, facts.limits, facts.ratelimit, facts.greylist)
    outcomes = tuple(outcome for outcome in answers if outcome is not None)
    spared = welcome or facts.client.known or facts.client.allowed or _has_written(own)
    if facts.client.allowed:
        return RecipientFound(None, outcomes, spared)
    against = () if welcome else (*facts.session, *_present(own))
    decision = (
        _refused(against, rules)
        or _limited(_present(facts.limits, facts.ratelimit))
        or (None if spared else _greylisted(_present(facts.greylist), facts.wait_seconds, rules))
        or _unchecked((*against, *outcomes), rules)
    )
    return RecipientFound(decision, outcomes, spared)


def on_message(found: MessageFound, rules: Rules) -> Decision | None:
    """Decide on a message that would be taken by its content; None takes it as the content says."""
    limit = _present(found.ratelimit)
    return (
        _over_limit(limit, rules)
        or _limited(limit)
        or _greylisted(found.greylist, found.wait_seconds, rules)
        or _unchecked((*found.greylist, *limit), rules)
        or _held(found.outcomes, rules)
    )


def _has_written(own: Outcome | None) -> bool:
    """Say whether the recipient has written to the sender."""
    return own is not None and any(signal.name == CORRESPONDENT for signal in own.signals)


def _present(*outcomes: Outcome | None) -> tuple[Outcome, ...]:
    return tuple(outcome for outcome in outcomes if outcome is not None)


def _refuses(outcome: Outcome) -> bool:
    return outcome.advice in (Advice.DEFER, Advice.REJECT, Advice.CLOSE)


def _refused(outcomes: Iterable[Outcome], rules: Rules) -> Decision | None:
    """Return the hardest refusal that the policy draws from what reputation found."""
    hardest: Decision | None = None
    for outcome in outcomes:
        remedy, temporary = weighed(outcome, rules)
        if remedy is Remedy.OFF:
            continue
        told = Told.CLOSING if remedy is Remedy.CLOSE else Told.RECIPIENT
        decision = refusal_of(outcome, told, temporary=temporary)
        if hardest is None or _hardness(decision) > _hardness(hardest):
            hardest = decision
    return hardest


def _hardness(decision: Decision) -> tuple[bool, bool]:
    return (decision.action is Action.REJECT, decision.close)


def _limited(outcomes: Iterable[Outcome]) -> Decision | None:
    for outcome in outcomes:
        if outcome.status is Status.HIT and _refuses(outcome):
            close = outcome.advice is Advice.CLOSE
            return _too_fast(outcome, 421 if close else 450, close=close)
    return None


def _too_fast(outcome: Outcome, code: int, *, close: bool) -> Decision:
    """Return what a limit leads to: never more than `later`; unit and state are in the service's words."""
    reply = Reply(code, "4.7.1", f"Too much at once: {outcome.detail or 'a limit is reached'}")
    return Decision(Action.DEFER, Reason.RATE_LIMITED, reply, close=close, detail=outcome.detail)


def _greylisted(outcomes: Iterable[Outcome], wait: float, rules: Rules) -> Decision | None:
    policy = rules.policy.greylist
    for outcome in outcomes:
        if outcome.status is Status.HIT and _refuses(outcome):
            left = f": {math.ceil(wait)} seconds left" if wait > 0 else ""
            text = (
                outcome.detail or f"{policy.text}{left}"
            )  # in the service's words, if it has some
            reply = Reply(421 if policy.close else 451, "4.7.1", text)
            return Decision(
                Action.DEFER, Reason.GREYLISTED, reply, close=policy.close, detail=outcome.detail
            )
    return None


def _over_limit(outcomes: Iterable[Outcome], rules: Rules) -> Decision | None:
    """Return the hold of mail over an outbound limit; where nothing can be held, the client keeps it."""
    for outcome in outcomes:
        if outcome.status is not Status.HIT or outcome.advice is not Advice.HOLD:
            continue
        why = outcome.detail or "an outbound limit is reached"
        if not rules.policy.quarantine.active:
            reply = Reply(450, "4.7.1", f"Not sent: {why}")
            return Decision(Action.DEFER, Reason.OVER_LIMIT, reply, detail=why)
        reply = Reply(250, "2.0.0", f"Message held and not yet sent: {why}")
        return Decision(Action.HOLD, Reason.OVER_LIMIT, reply, detail=why)
    return None


def on_outage(check: str, rules: Rules) -> OnOutage:
    """Return what the policy says of a service that cannot answer."""
    table = rules.policy.degradation
    return {
        "reputation": table.reputation,
        "greylist": table.greylist,
        "ratelimit": table.ratelimit,
    }.get(check, OnOutage.SKIP)


def _unchecked(outcomes: Iterable[Outcome], rules: Rules) -> Decision | None:
    lost = _lost(outcomes, OnOutage.TEMPFAIL, rules)
    return None if lost is None else _because(UNCHECKED, lost)


def _held(outcomes: Iterable[Outcome], rules: Rules) -> Decision | None:
    lost = _lost(outcomes, OnOutage.HOLD, rules)
    return None if lost is None else _because(_HELD_UNCHECKED, lost)


def _lost(outcomes: Iterable[Outcome], follows: OnOutage, rules: Rules) -> Outcome | None:
    for outcome in outcomes:
        if outcome.status is Status.TEMPERROR and on_outage(outcome.check, rules) is follows:
            return outcome
    return None


def _because(decision: Decision, lost: Outcome) -> Decision:
    detail = f"{lost.check}: {lost.detail}" if lost.detail else lost.check
    return Decision(decision.action, decision.reason, decision.reply, detail=detail)
