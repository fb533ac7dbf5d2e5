"""Asks every part about a client or sender, side by side, and answers when nothing can change it any more."""

from collections.abc import Sequence

from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome
from mailweir_policy import Policy
from mailweir_reputation.metrics import Metrics
from mailweir_reputation.policy.findings import (
    Finding,
    exempt,
    facts_after,
    merge,
    outcome_of,
)
from mailweir_reputation.policy.items import Item, Phase, Result, exemption
from mailweir_reputation.ports import Acquaintance


class Checker:
    """Checks items; never raises for what the outside does."""

    def __init__(self, acquaintance: Acquaintance, clock: Clock, metrics: Metrics) -> None:
        """Take the parts."""
        self._acquaintance = acquaintance
        self._clock = clock
        self._metrics = metrics

    async def check(self, item: Item, policy: Policy, until: float) -> Result:
        """Answer one item by the monotonic time `until`."""
        why = exemption(item.session, policy)
        if why:
            result = self._exempt(item, why)
        else:
            begun = self._clock.monotonic()
            result = await self._check(item, policy, begun)
            self._metrics.seconds.labels(item.phase).observe(self._clock.monotonic() - begun)
        self._metrics.checks.labels(item.phase, result.outcome.status).inc()
        self._metrics.advice.labels(item.phase, result.outcome.advice).inc()
        return result

    def _exempt(self, item: Item, why: str) -> Result:
        outcome = exempt(why)
        return Result(outcome, item.client, recipients=(outcome,) * len(item.recipients))

    async def _check(self, item: Item, policy: Policy, begun: float) -> Result:
        now = self._clock.now()
        if item.phase is Phase.RCPT:
            found = await self._acquaintance.recipients(
                item.session, item.sender, item.recipients, item.client, policy, now
            )
            return self._of_recipients(item, found, begun)
        if item.phase is Phase.CONNECT:
            one = await self._acquaintance.client(item.session, item.client, policy, now)
        else:
            one = await self._acquaintance.sender(
                item.session, item.sender, item.client, policy, now
            )
        return self._of_client(item, merge((one,)), begun)

    def _of_client(self, item: Item, found: Finding, begun: float) -> Result:
        outcome = self._outcome(found, begun)
        return Result(outcome, facts_after(item.client, found), found.valid_seconds or 0.0)

    def _of_recipients(self, item: Item, found: Sequence[Finding], begun: float) -> Result:
        outcomes = tuple(self._outcome(merge((one,)), begun) for one in found)
        failed = "; ".join(dict.fromkeys(one.failed for one in found if one.failed))
        own = self._outcome(Finding(failed=failed), begun)
        return Result(own, item.client, recipients=outcomes)

    def _outcome(self, found: Finding, begun: float) -> Outcome:
        return outcome_of(found, self._clock.monotonic() - begun)

    def crashed(self) -> None:
        """Count a check that ended in an error of the program."""
        self._metrics.crashed.inc()
