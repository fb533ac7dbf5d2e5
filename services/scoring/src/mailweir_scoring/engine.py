"""Runs the pipeline over one message: budgets, failures and time are here, judging is in `policy`."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome, Status
from mailweir_core.record import Envelope
from mailweir_mail import Message
from mailweir_policy import Policy, StageFailure
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.metrics import Cause, Metrics
from mailweir_scoring.policy.facts import Facts, Hit, Identity
from mailweir_scoring.policy.judgement import (
    Course,
    Failure,
    Judgement,
    StageRun,
    Summary,
    Versions,
    conclude,
    summary_of,
    unjudged,
)
from mailweir_scoring.policy.pipeline import PARSE, Stage, always
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.ruleset import RuleSet
from mailweir_scoring.policy.verdict import Verdict, judge
from mailweir_scoring.ports import Workers

T = TypeVar("T")
NO_TIME: Final = "no time left"
DETAIL_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Task:
    """One message to judge: its bytes, its envelope (None: from a file), what the session's checks said."""

    raw: bytes
    envelope: Envelope | None = None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """What an engine works with. Messages over `inline_bytes` go to the workers."""

    rules: RuleSet
    stages: tuple[Stage, ...]
    workers: Workers
    clock: Clock
    metrics: Metrics
    inline_bytes: int
    program: str


class Engine:
    """The pipeline, ready to run."""

    def __init__(self, tools: Tools) -> None:
        """Close the metrics' label sets over stages and symbols."""
        self.tools = tools
        self._identity: tuple[Policy, Identity] | None = None
        tools.metrics.prepare(closed_names(tools.stages), tools.rules.rules)

    async def judge(
        self, task: Task, current: PolicySnapshot, deadline: float = math.inf
    ) -> Judgement:
        """Return the judgement by the policy given; never raises for what is in the message.

        `deadline` is a time of the clock's `monotonic()`; the policy's own budget may end before it.
        """
        begun = self.tools.clock.monotonic()
        policy = current.policy
        deadline = min(deadline, begun + policy.scoring.budget_seconds)
        walk = _Walk(self.tools, task, policy, self._identity_of(policy), deadline)
        summary = await walk.go()
        course = Course(tuple(walk.hits), tuple(walk.runs), tuple(walk.failures))
        judgement = conclude(
            course,
            self.tools.rules,
            policy.scoring,
            self.versions(current),
            summary,
            verdict=walk.verdict(),
        )
        self._count(judgement, len(task.raw), self.tools.clock.monotonic() - begun)
        return judgement

    def unjudged(self, current: PolicySnapshot, size: int, detail: str) -> Judgement:
        """Return, counted, the answer for a message of `size` bytes that could not be judged at all."""
        judgement = unjudged(current.policy.scoring, self.versions(current), detail)
        self._count(judgement, size, 0.0)
        return judgement

    def versions(self, current: PolicySnapshot) -> Versions:
        """Return what would judge now."""
        return Versions(current.version, self.tools.rules.version, self.tools.program)

    def _count(self, judgement: Judgement, size: int, seconds: float) -> None:
        self.tools.metrics.count(judgement, size, seconds)
        self.tools.metrics.abandoned.set(self.tools.workers.abandoned)

    def _identity_of(self, policy: Policy) -> Identity:
        # A policy may have thousands of domains and stays the same for most of a process's life.
        if self._identity is None or self._identity[0] is not policy:
            domains = frozenset(d.name for d in policy.relay.domains)
            self._identity = (policy, Identity(policy.identity.hostname.lower(), domains))
        return self._identity[1]


@dataclass(slots=True)
class _Walk:
    """One message's way through the stages."""

    tools: Tools
    task: Task
    policy: Policy
    identity: Identity
    deadline: float
    hits: list[Hit] = field(default_factory=list)
    runs: list[StageRun] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _verdict: tuple[int, Verdict] | None = None
    """On so many hits; they only ever grow in number."""

    async def go(self) -> Summary:
        """Run every stage that is due; what came of it is in the lists."""
        policy = self.policy
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
        facts = self._facts(message) if due else None
        for stage in self.tools.stages:
            await self._stage(stage, facts)
        return summary_of(message)

    def verdict(self) -> Verdict:
        """Return the verdict on what was found so far."""
        if self._verdict is None or self._verdict[0] != len(self.hits):
            found = judge(self.hits, self.tools.rules, self.policy.scoring)
            self._verdict = (len(self.hits), found)
        return self._verdict[1]

    def _facts(self, message: Message) -> Facts:
        envelope = self.task.envelope
        return Facts(
            message=message,
            texts=texts_of(message, self.policy.scoring.scan_bytes),
            now=envelope.received_at if envelope else self.tools.clock.now(),
            envelope=envelope,
            outcomes=self.task.outcomes,
            identity=self.identity,
        )

    async def _stage(self, stage: Stage, facts: Facts | None) -> None:
        if facts is None or not self.policy.scoring.stage(stage.name).enabled:
            self._skip(stage.name, "switched off")
        elif spared := self._spared(stage):
            self._skip(stage.name, spared)
        else:
            self.hits += await self._timed(stage.name, partial(stage.run, facts)) or ()

    def _spared(self, stage: Stage) -> str:
        if stage.spared is always:
            return ""
        return stage.spared(self.verdict())

    def _skip(self, name: str, detail: str) -> None:
        self.runs.append(StageRun(name, Status.SKIPPED, 0.0, detail))

    async def _timed(self, name: str, work: Callable[[], T]) -> T | None:
        """Run a stage's work in its budget; None where it gave nothing, which is noted and counted.

        What comes after the budget is dropped also where it came: a verdict must not depend on whether a
        stage ran on the loop, which cannot be cut short, or in a thread, which is not waited for.
        """
        clock, own = self.tools.clock, self.policy.scoring.stage(name).budget_seconds
        begun = clock.monotonic()
        budget = min(own, self.deadline - begun)
        late = Cause.DEADLINE if budget < own else Cause.OVERRUN
        if budget <= 0:
            self._failed(StageRun(name, Status.TEMPERROR, 0.0, NO_TIME), late)
            return None
        detail, cause = f"over {budget:.3g} s", late
        result: T | None = None
        try:
            result = await self._run(work, budget)
            over = clock.monotonic() - begun > budget
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
        found = isinstance(result, tuple) and len(result) > 0
        self.runs.append(StageRun(name, Status.HIT if found else Status.OK, seconds))
        return result

    async def _run(self, work: Callable[[], T], budget: float) -> T:
        if len(self.task.raw) <= self.tools.inline_bytes:
            return work()
        async with asyncio.timeout(budget):
            return await self.tools.workers.run(work)

    def _failed(self, run: StageRun, cause: Cause) -> None:
        """Note a failure; past the whole verdict's deadline 451 follows, whatever the stage's policy."""
        own = self.policy.scoring.stage(run.stage).on_failure
        follows = StageFailure.TEMPFAIL if cause is Cause.DEADLINE else own
        self.tools.metrics.stage_failures.labels(run.stage, cause).inc()
        self.tools.metrics.by_stage[run.stage].observe(run.seconds)
        self.failures.append(Failure(run.stage, run.detail, follows))
        self.runs.append(run)


def closed_names(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the names of all stages, the parser's first."""
    return (PARSE, *(s.name for s in stages))
