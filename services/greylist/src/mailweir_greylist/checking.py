"""A batch of questions against the store: one read for many, then one write for each entry that changes.

Two processes may hold the same entry at once: each writes over exactly what it read, and who was slower reads
again and goes by what the other made of it. Nothing here waits longer for the store than the policy's
`answer_seconds`: what has no answer by then passes.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from mailweir_core.clock import Clock
from mailweir_greylist.metrics import Metrics
from mailweir_greylist.planning import (
    Plan,
    by_client,
    by_key,
    in_use,
    keys_of,
    plan_of,
    spare,
)
from mailweir_greylist.policy.answers import Answer, Lost
from mailweir_greylist.policy.candidates import Spared
from mailweir_greylist.policy.entry import Entry
from mailweir_greylist.policy.forecast import Counts
from mailweir_greylist.policy.question import Question
from mailweir_greylist.policy.steps import Found, Step, counted, step
from mailweir_greylist.ports import Kept, Store, StoreLost
from mailweir_policy.greylist import GreylistPolicy

PART: Final = 32
"""Questions that go to the store at once: a big batch must not run out of time by its own work."""
TRIES: Final = 4
"""How often an entry is read again when another process wrote it first; each time the other got its way."""


class Checker:
    """Answers questions; `tally` holds what was counted since it was last taken out."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        """Take where entries are kept."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self.tally = Counts()

    async def check(
        self, questions: Sequence[Question], policy: GreylistPolicy
    ) -> list[list[Answer]]:
        """Return an answer for each recipient of each question. Never raises for the store."""
        plans = [plan_of(question, policy) for question in questions]
        asked = [plan for plan in plans if plan.abouts]
        if asked:
            await self._ask(asked, policy)
        answers = [[a or Answer(Lost.SLOW) for a in plan.answers] for plan in plans]
        self._count(questions, answers)
        return answers

    async def _ask(self, plans: Sequence[Plan], policy: GreylistPolicy) -> None:
        """Settle all plans, part by part; once a part has no answer, the rest is not waited for."""
        lost: Lost | None = None
        for start in range(0, len(plans), PART):
            part = plans[start : start + PART]
            if lost is None:
                lost = await self._ask_part(part, policy)
            if lost is not None:
                for plan in part:
                    plan.settle_all(Answer(lost))

    async def _ask_part(self, plans: Sequence[Plan], policy: GreylistPolicy) -> Lost | None:
        """Settle plans within the policy's time; returns why that was not possible."""
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(policy.answer_seconds):
                await self._settle_all(plans, policy)
        except TimeoutError:
            return self._failed(Lost.SLOW)
        except StoreLost:
            return self._failed(Lost.UNAVAILABLE)
        finally:
            self._metrics.store_seconds.observe(self._clock.monotonic() - started)
        return None

    async def _settle_all(self, plans: Sequence[Plan], policy: GreylistPolicy) -> None:
        kept = dict(await self._store.read(keys_of(plans)))
        now = self._clock.now()
        spare(plans, kept, now)
        async with asyncio.TaskGroup() as tasks:
            for key, askers in by_key(plans).items():
                tasks.create_task(self._settle(key, askers, kept[key], policy, now))
            for key, entry in in_use(plans, kept, policy, now).items():
                tasks.create_task(self._note(key, entry, kept[key], now))
        async with asyncio.TaskGroup() as tasks:
            for key, back in by_client(plans).items():
                tasks.create_task(self._count_client(key, back, kept[key], policy, now))

    async def _settle(
        self, key: str, plans: Sequence[Plan], kept: Kept, policy: GreylistPolicy, now: float
    ) -> None:
        """Take an entry through the questions about it, in their order, and store it once."""
        for _ in range(TRIES):
            steps = _walk(kept.entry, key, plans, policy, now)
            changed = next((s.entry for s in reversed(steps) if s.entry is not None), None)
            must = any(s.must for s in steps)
            stored = changed is None or await self._stored(key, changed, kept, now)
            if stored or not must:
                return self._accept(key, plans, steps, now)
            again = None if stored is None else await self._again(key)
            if again is None:
                return _settle_lost(key, plans, Lost.UNAVAILABLE)
            kept = again
        self._failed(Lost.CONTENDED)
        return _settle_lost(key, plans, Lost.CONTENDED)

    async def _stored(self, key: str, entry: Entry, kept: Kept, now: float) -> bool | None:
        """Store an entry; False where another was faster, None where the store is away."""
        try:
            return await self._store.write(key, entry, kept, now)
        except StoreLost:
            self._failed(Lost.UNAVAILABLE)
            return None

    async def _again(self, key: str) -> Kept | None:
        """Read an entry that another process wrote meanwhile; None where the store is away."""
        try:
            return (await self._store.read([key]))[key]
        except StoreLost:
            self._failed(Lost.UNAVAILABLE)
            return None

    async def _note(self, key: str, entry: Entry, kept: Kept, now: float) -> None:
        """Store what no answer depends on."""
        await self._stored(key, entry, kept, now)

    def _accept(self, key: str, plans: Sequence[Plan], steps: Sequence[Step], now: float) -> None:
        for plan, made in zip(plans, steps, strict=True):
            plan.settle(key, Answer(made.found, made.wait))
            if made.found is Found.FIRST:
                self.tally.deferred += 1
            elif made.found is Found.RETURNED and made.entry is not None and made.entry.passes == 1:
                plan.came_back = True
                self.tally.came_back(now - made.entry.first_at)
                self._metrics.wait_seconds.observe(now - made.entry.first_at)

    async def _count_client(
        self, key: str, plans: Sequence[Plan], kept: Kept, policy: GreylistPolicy, now: float
    ) -> None:
        """Count transactions of a client that came back; answers do not wait for it to succeed."""
        for _ in range(TRIES):
            first = plans[0]  # those behind it came at the same time
            entry = counted(kept.entry, first.client, first.question, policy, now)
            if entry is None or await self._stored(key, entry, kept, now) is not False:
                return
            again = await self._again(key)
            if again is None:
                return
            kept = again
        self._failed(Lost.CONTENDED)

    def _count(self, questions: Sequence[Question], answers: Sequence[Sequence[Answer]]) -> None:
        for question, found in zip(questions, answers, strict=True):
            for answer in found:
                self._metrics.recipients.labels(answer.finding).inc()
                if question.score is None and answer.finding not in (Spared.OFF, Spared.OURS):
                    self.tally.checked += 1

    def _failed(self, cause: Lost) -> Lost:
        self._metrics.store_failures.labels(cause).inc()
        return cause


def _walk(
    entry: Entry | None, key: str, plans: Sequence[Plan], policy: GreylistPolicy, now: float
) -> list[Step]:
    steps = []
    for plan in plans:
        made = step(entry, plan.abouts[key], plan.question, policy, now)
        entry = made.entry or entry
        steps.append(made)
    return steps


def _settle_lost(key: str, plans: Sequence[Plan], lost: Lost) -> None:
    for plan in plans:
        plan.settle(key, Answer(lost))
