"""One attempt at one message: every destination side by side, each word on it kept as it comes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailweir_core.clock import Clock
from mailweir_delivery.adapters.ledger import Ledger
from mailweir_delivery.dispatch import Dispatcher, Endings, way_of
from mailweir_delivery.lanes import PutBack
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.progress import Progress, open_attempt, record
from mailweir_delivery.policy.replies import Verdict, deferred
from mailweir_delivery.policy.routing import Destination, NoRoute, Router
from mailweir_delivery.ports import Parcel
from mailweir_policy import Policy

NO_ROUTE_CODE = "4.3.5"  # RFC 3463: system incorrectly configured


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy version with its routing table."""

    policy: Policy
    router: Router


@dataclass(frozen=True, slots=True)
class Tools:
    """What attempts are made with; one per process."""

    dispatcher: Dispatcher
    ledger: Ledger
    metrics: Metrics
    clock: Clock


class Attempt:
    """An attempt in progress. `progress` is what is known; `put_back` is set where a lane had no place."""

    def __init__(
        self, tools: Tools, shard: str, parcel: Parcel, progress: Progress, force: PolicyInForce
    ) -> None:
        """Begin an attempt more."""
        self.progress = open_attempt(progress)
        self.put_back: PutBack | None = None
        self.tried = False
        self.ways: dict[str, str] = {}
        self._tools = tools
        self._shard = shard
        self._parcel = parcel
        self._force = force
        self._running = 0
        self._parts = 0
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Deliver to whom it is still to be delivered."""
        groups, lost = self._force.router.group(self.progress.pending)
        self._note_lost(lost)
        self._running = len(groups)
        if len(groups) == 1:
            ((destination, recipients),) = groups.items()
            await self._deliver(destination, recipients)
            return
        async with asyncio.TaskGroup() as tasks:
            for destination, recipients in groups.items():
                tasks.create_task(self._deliver(destination, recipients))

    def _note_lost(self, lost: Mapping[str, NoRoute]) -> None:
        if lost:
            self._note({r: deferred(NO_ROUTE_CODE, why.detail) for r, why in lost.items()}, "none")

    async def _deliver(self, destination: Destination, recipients: Sequence[str]) -> None:
        found = await self._tools.dispatcher.deliver(
            self._parcel, recipients, destination, self._force.policy
        )
        self._running -= 1
        if isinstance(found, PutBack):
            self.put_back = self.put_back or found
            return
        self._note(found, way_of(destination))
        if self._running and any(e.verdict is not Verdict.DEFERRED for e in found.values()):
            await self._write_part()

    async def _write_part(self) -> None:
        """Keep what is settled while other destinations are still at work, maybe for minutes."""
        async with self._writing:  # in order: the newest word holds all
            self._parts += 1
            await self._tools.ledger.write(self._shard, self.progress, self._parts)

    def _note(self, endings: Endings, way: str) -> None:
        now = self._tools.clock.now()
        self.tried = True
        self.progress = record(self.progress, endings, now)
        self.ways |= dict.fromkeys(endings, way)
        metrics = self._tools.metrics
        for ending in endings.values():
            metrics.recipients.labels(way, ending.verdict).inc()
        delivered = any(ending.verdict is Verdict.DELIVERED for ending in endings.values())
        if delivered and not self._parcel.release:  # held mail waited for people
            metrics.seconds.observe(max(0.0, now - self._parcel.received_at))
