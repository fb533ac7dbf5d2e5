"""One message's way through the stages: budgets, answers from outside, and failures that are values."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

from mailweir_core.asking import Asking
from mailweir_core.clock import Clock
from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Outcome, Status
from mailweir_core.record import Envelope
from mailweir_mail import Message
from mailweir_policy import Policy, ScoringPolicy, StageFailure
from mailweir_scoring.metrics import Cause, Metrics
from mailweir_scoring.policy import edge
from mailweir_scoring.policy.facts import Facts, Found, Hit, Identity
from mailweir_scoring.policy.judgement import (
    Course,
    Failure,
    StageRun,
    Summary,
    summary_of,
)
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import (
    PARSE,
    AnyStage,
    AskingStage,
    Stage,
)
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.policy.spamassassin import GROUP
from mailweir_scoring.policy.verdict import Verdict, could_reject, judge
from mailweir_scoring.ports import Answerer, Workers
from mailweir_spamassassin.rulebook import RunResult

T = TypeVar("T")
NO_TIME: Final = "no time left"
DETAIL_CHARACTERS: Final = 200
MOST_LOOKUPS: Final = 256
"""Of one message, that are kept in its record."""


def unwatched(_result: RunResult) -> None:
    """Take no notice of what SpamAssassin's rules came to."""


def no_rules(_policy: ScoringPolicy) -> tuple[Rule, ...]:
    """Make no rules from the policy."""
    return ()


@dataclass(frozen=True, slots=True)
class Task:
    """One message to judge: its bytes, its envelope (None: from a file), what the session's checks said."""

    raw: bytes
    envelope: Envelope | None = None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """What an engine works with. Messages over `inline_bytes` go to the workers.

    `answerers` are by type of question; `policy_rules` makes rules for what the policy names (its lists) or
    values (SpamAssassin's); `rules_ran` is told what the latter came to.
    """

    stages: tuple[AnyStage, ...]
    workers: Workers
    clock: Clock
    metrics: Metrics
    inline_bytes: int
    program: str
    answerers: Mapping[type, Answerer] = field(default_factory=dict)
    policy_rules: Callable[[ScoringPolicy], Iterable[Rule]] = no_rules
    rules_ran: Callable[[RunResult], None] = unwatched


@dataclass(frozen=True, slots=True)
class InForce:
    """What follows from a policy and a kit, made once for both."""

    policy: Policy
    kit: Kit
    identity: Identity
    rules: RuleSet


@dataclass(slots=True)
class Walk:
    """One message's way through the stages."""

    tools: Tools
    task: Task
    force: InForce
    deadline: float
    hits: list[Hit] = field(default_factory=list)
    runs: list[StageRun] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)
    silenced: frozenset[str] = frozenset()
    facts: Facts | None = None
    _verdict: tuple[int, Verdict] | None = None
    """On so many hits; they only ever grow in number."""

    async def go(self) -> Summary:
        """Run every stage that is due; what came of it is in the lists."""
        policy = self.force.policy
        if self.task.outcomes:
            rules = edge.with_findings(self.force.rules, self.task.outcomes)
            self.force = replace(self.force, rules=rules)
            self.runs += edge.lost(self.task.outcomes)
        due = any(policy.scoring.stage(s.name).enabled for s in self.tools.stages)
        parse = partial(
            read_message,
            self.task.raw,
            policy.message,
            policy.scoring.scan_bytes,
            header_only=not due,
        )
        message = await self._timed(PARSE, parse)
        if message is None:
            for stage in self.tools.stages:
                self._skip(stage.name, "the message was not parsed")
            return Summary()
        self.facts = self._facts(message) if due else None
        for stage in self.tools.stages:
            await self._stage(stage)
        return summary_of(message)

    def spamassassin(self) -> RunResult | None:
        """Return what SpamAssassin's rules came to; None where they did not run."""
        return self.facts.memo.get(GROUP) if self.facts is not None else None

    def course(self) -> Course:
        """Return how it went."""
        return Course(
            tuple(self.hits),
            tuple(self.runs),
            tuple(self.failures),
            self.silenced,
            tuple(self.lookups),
            tuple(self.fields),
        )

    def verdict(self) -> Verdict:
        """Return the verdict on what was found so far."""
        if self._verdict is None or self._verdict[0] != len(self.hits):
            found = judge(self.hits, self.force.rules, self.force.policy.scoring, self.silenced)
            self._verdict = (len(self.hits), found)
        return self._verdict[1]

    def _facts(self, message: Message) -> Facts:
        envelope = self.task.envelope
        return Facts(
            message=message,
            texts=texts_of(message, self.force.policy.scoring.scan_bytes),
            now=envelope.received_at if envelope else self.tools.clock.now(),
            envelope=envelope,
            outcomes=self.task.outcomes,
            identity=self.force.identity,
            policy=self.force.policy.scoring,
            kit=self.force.kit,
        )

    async def _stage(self, stage: AnyStage) -> None:
        facts = self.facts
        if facts is None or not self.force.policy.scoring.stage(stage.name).enabled:
            self._skip(stage.name, "switched off")
        elif stage.costly and self._decided():
            self._skip(stage.name, "already decided")
        elif isinstance(stage, Stage):
            self.hits += await self._timed(stage.name, partial(stage.run, facts)) or ()
        elif isinstance(stage, AskingStage):
            self._take(await self._asked(stage, facts))
        else:
            weigh = partial(stage.weigh, facts, tuple(self.hits))
            self._take(await self._timed(stage.name, weigh))

    def _take(self, found: Found | None) -> None:
        if found is not None:
            self.hits += found.hits
            self.facts = found.facts or self.facts
            self.silenced |= found.silenced
            self.fields += found.fields

    def _decided(self) -> bool:
        """Say whether the message is refused whatever else is found."""
        if not could_reject(self.hits, self.force.rules, self.force.policy.scoring):
            return False
        return self.verdict().action is Action.REJECT

    def _skip(self, name: str, detail: str) -> None:
        self.runs.append(StageRun(name, Status.SKIPPED, 0.0, detail))

    async def _timed(self, name: str, work: Callable[[], T]) -> T | None:
        """Run a stage's pure work in its budget; None where it gave nothing, which is noted and counted."""
        return await self._within(name, partial(self._run, work))

    async def _asked(self, stage: AskingStage, facts: Facts) -> Found | None:
        """Drive a stage that asks the outside; None where it gave nothing."""
        return await self._within(stage.name, partial(self._drive, stage.ask(facts)))

    async def _drive(self, asking: Asking[Found], budget: float) -> Found:
        """Send the answers in until the stage is through.

        The first steps of most stages ask nothing: then no answerer is woken and nothing is waited for.
        """
        ends = self.tools.clock.monotonic() + budget
        answers: tuple[Any, ...] | None = None
        while True:
            step = partial(_step, asking, answers)
            done, result = await self._run(step, ends - self.tools.clock.monotonic())
            if done:
                found: Found = result
                return found
            answers = await self._answers(result, ends)

    async def _answers(self, questions: tuple[Any, ...], ends: float) -> tuple[Any, ...]:
        if not questions:
            return ()
        answerer, clock = self.tools.answerers[type(questions[0])], self.tools.clock
        begun = clock.monotonic()
        async with asyncio.timeout(max(0.0, ends - begun)):
            answers = await answerer.answer(questions, ends - begun)
        seconds = clock.monotonic() - begun
        for question, answer in zip(questions, answers, strict=True):
            lookup = answerer.describe(question, answer)
            if lookup is not None and len(self.lookups) < MOST_LOOKUPS:
                self.lookups.append(replace(lookup, seconds=lookup.seconds or seconds))
        return answers

    async def _within(self, name: str, work: Callable[[float], Awaitable[T]]) -> T | None:
        """Run a stage's work, given its budget in seconds; None where it gave nothing.

        What comes after the budget is dropped also where it came: a verdict must not depend on whether a
        stage ran on the loop, which cannot be cut short, or in a thread, which is not waited for.
        """
        clock, own = self.tools.clock, self.force.policy.scoring.stage(name).budget_seconds
        begun = clock.monotonic()
        budget = min(own, self.deadline - begun)
        late = Cause.DEADLINE if budget < own else Cause.OVERRUN
        if budget <= 0:
            self._failed(StageRun(name, Status.TEMPERROR, 0.0, NO_TIME), late)
            return None
        detail, cause = f"over {budget:.3g} s", late
        result: T | None = None
        try:
            result = await work(budget)
            over = clock.monotonic() - begun > budget
            if isinstance(result, Found) and result.failure and not over:
                over, cause, detail = True, Cause.UNANSWERED, result.failure[:DETAIL_CHARACTERS]
        except TimeoutError:
            over = True
        except Exception as error:  # noqa: BLE001 - a check's bug must not stop the mail; named and counted
            over, cause = True, Cause.RAISED
            detail = f"{type(error).__name__}: {error}"[:DETAIL_CHARACTERS]
        seconds = clock.monotonic() - begun
        if over:
            self._failed(StageRun(name, Status.TEMPERROR, seconds, detail), cause)
            return None
        self.tools.metrics.by_stage[name].observe(seconds)
        found = (
            len(result.hits) > 0
            if isinstance(result, Found)
            else isinstance(result, tuple) and len(result) > 0
        )
        self.runs.append(StageRun(name, Status.HIT if found else Status.OK, seconds))
        return result

    async def _run(self, work: Callable[[], T], budget: float) -> T:
        if len(self.task.raw) <= self.tools.inline_bytes:
            return work()
        async with asyncio.timeout(budget):
            return await self.tools.workers.run(work)

    def _failed(self, run: StageRun, cause: Cause) -> None:
        """Note a failure; past the whole verdict's deadline 451 follows, whatever the stage's policy."""
        own = self.force.policy.scoring.stage(run.stage).on_failure
        follows = StageFailure.TEMPFAIL if cause is Cause.DEADLINE else own
        self.tools.metrics.stage_failures.labels(run.stage, cause).inc()
        self.tools.metrics.by_stage[run.stage].observe(run.seconds)
        self.failures.append(Failure(run.stage, run.detail, follows))
        self.runs.append(run)


def _step(asking: Asking[Found], answers: tuple[Any, ...] | None) -> tuple[bool, Any]:
    """Return (False, questions) or (True, result): StopIteration cannot pass through a coroutine."""
    try:
        return False, next(asking) if answers is None else asking.send(answers)
    except StopIteration as end:
        return True, end.value
