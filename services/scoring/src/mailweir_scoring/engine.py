"""Judges messages: what is in force, the way through the stages (`walk`), the judgement, the counting."""

import math
from collections.abc import Sequence

from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.policy.facts import Identity
from mailweir_scoring.policy.judgement import (
    Judgement,
    Versions,
    conclude,
    unjudged,
)
from mailweir_scoring.policy.kit import Kit, with_rules
from mailweir_scoring.policy.pipeline import PARSE, AnyStage
from mailweir_scoring.walk import InForce, Task, Tools, Walk


class Engine:
    """The pipeline, ready to run."""

    def __init__(self, tools: Tools, kit: Kit) -> None:
        """Close the metrics' label sets over stages and the symbols of the own rules."""
        self.tools = tools
        self.kit = kit
        """Judged with from the next message on; whoever has a new one puts it here."""
        self._known: InForce | None = None
        tools.metrics.prepare(closed_names(tools.stages), kit.rules.rules)

    async def judge(
        self, task: Task, current: PolicySnapshot, deadline: float = math.inf
    ) -> Judgement:
        """Return the judgement by the policy given; never raises for what is in the message.

        `deadline` is a time of the clock's `monotonic()`; the policy's own budget may end before it.
        """
        begun = self.tools.clock.monotonic()
        policy, force = current.policy, self._in_force(current.policy)
        deadline = min(deadline, begun + policy.scoring.budget_seconds)
        walk = Walk(self.tools, task, force, deadline)
        summary = await walk.go()
        course = walk.course()
        if (result := walk.spamassassin()) is not None:
            self.tools.rules_ran(result)
        judgement = conclude(
            course,
            walk.force.rules,
            policy.scoring,
            self._versions(current, force.kit),
            summary,
            verdict=walk.verdict(),
        )
        self._count(judgement, len(task.raw), self.tools.clock.monotonic() - begun)
        return judgement

    def unjudged(self, current: PolicySnapshot, size: int, detail: str) -> Judgement:
        """Return, counted, the answer for a message of `size` bytes that could not be judged at all."""
        judgement = unjudged(current.policy.scoring, self._versions(current, self.kit), detail)
        self._count(judgement, size, 0.0)
        return judgement

    def _versions(self, current: PolicySnapshot, kit: Kit) -> Versions:
        model = kit.model.version if kit.model is not None else ""
        return Versions(current.version, kit.rules.version, self.tools.program, model)

    def _count(self, judgement: Judgement, size: int, seconds: float) -> None:
        self.tools.metrics.count(judgement, size, seconds)
        self.tools.metrics.abandoned.set(self.tools.workers.abandoned)

    def _in_force(self, policy: Policy) -> InForce:
        # A policy may have thousands of domains and stays the same for most of a process's life.
        known = self._known
        if known is None or known.policy is not policy or known.kit is not self.kit:
            domains = frozenset(d.name for d in policy.relay.domains)
            identity = Identity(policy.identity.hostname.lower(), domains)
            rules = with_rules(self.kit.rules, self.tools.policy_rules(policy.scoring))
            self._known = known = InForce(policy, self.kit, identity, rules)
        return known


def closed_names(stages: Sequence[AnyStage]) -> tuple[str, ...]:
    """Return the names of all stages, the parser's first."""
    return (PARSE, *(s.name for s in stages))
