"""Inbound counters: GCRA buckets in cells, exact over all processes."""

import asyncio
from collections.abc import Sequence

from mailweir_core.clock import Clock
from mailweir_ratelimit.metrics import CounterMetrics
from mailweir_ratelimit.policy import bucket as buckets
from mailweir_ratelimit.policy.bucket import Take, Taken
from mailweir_ratelimit.ports import Cells, CellsAway, Change


class CellCounters:
    """See `ports.Counters`."""

    def __init__(self, cells: Cells, clock: Clock, metrics: CounterMetrics) -> None:
        """Keep the buckets in `cells`."""
        self._cells = cells
        self._clock = clock
        self._metrics = metrics

    async def take(self, requests: Sequence[Take]) -> Sequence[Taken]:
        """Take from each bucket what fits; answers in order."""
        if len(requests) == 1:  # the most frequent call, which needs no task
            return [await self._take(requests[0])]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._take(request)) for request in requests]
        return [task.result() for task in running]

    async def give(self, requests: Sequence[Take]) -> None:
        """Put back what was taken."""
        async with asyncio.TaskGroup() as tasks:
            for request in requests:
                tasks.create_task(self._give(request))

    async def correct(self, key: str, ham: int, spam: int) -> bool:
        """Move what a bucket takes; says whether it was done."""
        now = self._clock.now()

        def step(value: bytes | None) -> Change[bool]:
            moved = buckets.correct(buckets.load(value), ham, spam)
            return Change(True, buckets.dump(moved), buckets.ttl(moved, now))

        try:
            return await self._cells.change(key, step)
        except CellsAway:
            self._metrics.failures.labels("correct").inc()
            return False

    async def _take(self, request: Take) -> Taken:
        now = self._clock.now()

        def step(value: bytes | None) -> Change[Taken]:
            filled, taken = buckets.take(buckets.load(value), now, request)
            if filled is None:
                return Change(taken)
            return Change(taken, buckets.dump(filled), buckets.ttl(filled, now))

        try:
            return await self._cells.change(request.key, step)
        except CellsAway as error:
            self._metrics.failures.labels("take").inc()
            return Taken(True, request.rate, failed=str(error))

    async def _give(self, request: Take) -> None:
        now = self._clock.now()

        def step(value: bytes | None) -> Change[None]:
            if value is None:
                return Change(None)
            emptied = buckets.give(buckets.load(value), request)
            return Change(None, buckets.dump(emptied), buckets.ttl(emptied, now))

        try:
            await self._cells.change(request.key, step)
        except CellsAway:
            self._metrics.failures.labels("give").inc()
