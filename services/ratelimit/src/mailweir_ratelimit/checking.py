"""Answers questions: inbound limits by buckets, mail of our own users by quotas."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.clock import Clock
from mailweir_core.net import parse_ip
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Session
from mailweir_policy.ratelimit import Unit
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.newcomers import Newcomers
from mailweir_ratelimit.outgoing import Outgoing
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.limits import (
    CHECK,
    NOTHING,
    Planned,
    failure,
    is_postmaster,
    refusal,
)
from mailweir_ratelimit.policy.question import Answer, Phase, Question
from mailweir_ratelimit.policy.selectors import Facts
from mailweir_ratelimit.ports import Counters
from mailweir_ratelimit.rules import Rules
from mailweir_runtime.logs import get_logger

Report = Callable[[Sequence[Offence]], Coroutine[Any, Any, Sequence[Ban | None]]]
R = TypeVar("R")
_log = get_logger(__name__)
EXEMPT: Final = Outcome(CHECK, Status.SKIPPED, detail="exempt")
_RESULTS: Final = {
    Status.OK: "passed",
    Status.HIT: "limited",
    Status.SKIPPED: "exempt",
    Status.TEMPERROR: "failed",
}


class Checker:
    """Counts; a counter that is away lets pass, and the outcome says so."""

    def __init__(
        self, counters: Counters, outgoing: Outgoing, report: Report, clock: Clock, metrics: Metrics
    ) -> None:
        """Take what to count with; connections are reported too."""
        self._counters = counters
        self._outgoing = outgoing
        self._report = report
        self._clock = clock
        self._newcomers = Newcomers()
        self._metrics = metrics
        self._phases: dict[Phase, Callable[[Question, Rules], Awaitable[Answer]]] = {
            Phase.CONNECT: self._connect,
            Phase.RCPT: self._recipients,
            Phase.MESSAGE: self._message,
        }

    async def check(self, questions: Sequence[Question], rules: Rules) -> Sequence[Answer]:
        """Answer every question by one policy, in order; what concerns one bucket is counted in order too."""
        return await _in_order([self._answer(one, rules) for one in questions])

    async def _answer(self, question: Question, rules: Rules) -> Answer:
        try:
            answer = await self._phases[question.phase](question, rules)
        except Exception as error:  # noqa: BLE001 - one bad question must not spoil the others of its call
            _log.exception("not_counted", ref=question.ref, phase=question.phase)
            failed = failure((type(error).__name__,))
            answer = Answer(failed, (failed,) * len(question.recipients))
        outbound = question.phase is Phase.MESSAGE and question.session.auth_user
        phase = "outbound" if outbound else question.phase.value
        for outcome in answer.recipients or (answer.outcome,):
            self._metrics.by_result[phase, _RESULTS[outcome.status]].inc()
        return answer

    async def _connect(self, question: Question, rules: Rules) -> Answer:
        if rules.limits.exempts_client(question.session, question.client):
            return Answer(EXEMPT)
        planned = rules.limits.plan(
            Unit.CONNECTIONS, _facts(question), question.client.client_class
        )
        outcome = await self._count(planned, Advice.CLOSE)
        if outcome.status is not Status.TEMPERROR:  # one wait for an absent bus is enough
            await self._report_connection(question.session, rules)
        return Answer(outcome)

    async def _report_connection(self, session: Session, rules: Rules) -> None:
        rule = rules.policy.ratelimit.intrusion.rules.connections
        if not rule.enabled:
            return
        due = self._newcomers.due(session.client_ip, self._clock.now(), rule.seconds)
        if rule.count == 1:
            due = 1
        if due:
            offence = Offence(
                OffenceKind.CONNECTIONS, session.client_ip, session.proxy_ip, count=due
            )
            await self._report((offence,))

    async def _recipients(self, question: Question, rules: Rules) -> Answer:
        exempt = self._exempt(question, rules)
        outcomes = await _in_order(
            [
                self._recipient(question, recipient, rules, exempt=exempt)
                for recipient in question.recipients
            ]
        )
        failed = next((one for one in outcomes if one.status is Status.TEMPERROR), None)
        return Answer(failed or (EXEMPT if exempt else NOTHING), outcomes)

    async def _recipient(
        self, question: Question, recipient: str, rules: Rules, *, exempt: bool
    ) -> Outcome:
        if exempt or is_postmaster(recipient):
            return EXEMPT
        planned = rules.limits.plan(
            Unit.RECIPIENTS, _facts(question, recipient), question.client.client_class
        )
        return await self._count(planned, Advice.DEFER)

    async def _message(self, question: Question, rules: Rules) -> Answer:
        user = question.session.auth_user
        if user and question.score >= rules.policy.ratelimit.outbound.reject_score:
            return Answer(_outbound_spam(question))  # it is not taken, so it does not count
        if self._exempt(question, rules):
            outcome = EXEMPT
        else:
            outcome = await self._count(_by_message(question, rules), Advice.DEFER)
        if user and outcome.advice is Advice.NONE:
            return Answer(await self._outgoing.check(question, rules))
        return Answer(outcome)

    def _exempt(self, question: Question, rules: Rules) -> bool:
        limits = rules.limits
        return limits.exempts_client(question.session, question.client) or (
            not question.session.auth_user and limits.exempts_sender(question.sender)
        )

    async def _count(self, planned: Sequence[Planned], advice: Advice) -> Outcome:
        """Count in one bucket after the other; where one is full, the others get theirs back."""
        failures = []
        for number, one in enumerate(planned):
            taken = (await self._counters.take((one.take,)))[0]
            if not taken.taken:
                await self._counters.give([done.take for done in planned[:number]])
                return refusal(one, taken, advice)
            if taken.failed:
                failures.append(taken.failed)
        return failure(failures) if failures else NOTHING


async def _in_order(work: Sequence[Coroutine[Any, Any, R]]) -> tuple[R, ...]:
    """Do everything side by side, begun in order; return the results in order."""
    if len(work) == 1:  # the most frequent number, which needs no task
        return (await work[0],)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one) for one in work]
    return tuple(task.result() for task in running)


def _facts(question: Question, recipient: str = "") -> Facts:
    session = question.session
    return Facts(
        address=parse_ip(session.client_ip),
        asn=question.client.asn,
        helo=session.helo,
        sender=question.sender,
        recipient=recipient,
        user=session.auth_user,
    )


def _by_message(question: Question, rules: Rules) -> Sequence[Planned]:
    """Return the buckets that a whole message counts in, each once."""
    client = question.client.client_class
    found: dict[str, Planned] = {}
    for recipient in question.recipients or ("",):
        facts = _facts(question, recipient)
        for unit, amount in ((Unit.MESSAGES, 1), (Unit.BYTES, question.size)):
            for one in rules.limits.plan(unit, facts, client, amount):
                found.setdefault(one.take.key, one)
    return tuple(found.values())


def _outbound_spam(question: Question) -> Outcome:
    return Outcome(
        CHECK,
        Status.HIT,
        advice=Advice.REJECT,
        reason=Reason.OUTBOUND_SPAM,
        detail=f"a score of {question.score:g}",
    )
