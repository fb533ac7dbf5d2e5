"""All processes together: started in the right order, kept running, drained in the right order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from mailweir_cli.up.child import Child
from mailweir_cli.up.disk import Starvation
from mailweir_cli.up.logfile import LogFile
from mailweir_cli.up.plan import DRAIN_SECONDS, STOP_ORDER, ProcessSpec
from mailweir_cli.up.status import Phase, Status

GRACE_SECONDS: Final = DRAIN_SECONDS + 10.0
"""A service ends its drain by itself after DRAIN_SECONDS; this is for one that hangs."""
_TIDY_SECONDS: Final = 5.0


class Supervisor:
    """The processes. `stopping` is set from outside, or here when one has failed for good."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        logs: Path,
        surroundings: Mapping[str, str],
        lock: int,
        changed: Callable[[Status], None] = lambda _: None,
        starvation: Starvation | None = None,
    ) -> None:
        """Take the processes in the order of their start; the first must serve before the others begin.

        The first one is also started again when a full disk has room again.
        """
        self._starvation = starvation
        self.stopping = asyncio.Event()
        self.failed: Child | None = None
        self.unclean: list[str] = []
        self.killed = False
        self._tell = changed
        self._moved = asyncio.Event()
        self._children = [
            Child(spec, LogFile(logs / f"{spec.name}.log"), surroundings, lock, self._changed)
            for spec in specs
        ]

    @property
    def statuses(self) -> list[Status]:
        """Return how all are now."""
        return [child.status for child in self._children]

    @property
    def metrics_addresses(self) -> dict[str, str]:
        """Return where metrics are served, by service; those that were not started yet are missing."""
        return {c.spec.name: c.metrics_address for c in self._children if c.metrics_address}

    def _changed(self, child: Child) -> None:
        status = child.status
        self._tell(status)
        if status.phase is Phase.FAILED and self.failed is None:
            self.failed = child
            self.stopping.set()
        self._moved.set()

    async def wait_serving(self, names: Sequence[str] = ()) -> bool:
        """Wait until those named (all, where none is) serve; returns False when it is stopping instead."""
        while not self.stopping.is_set():
            asked = [s for s in self.statuses if not names or s.name in names]
            if all(s.serving for s in asked):
                return True
            self._moved.clear()
            await self._either(self._moved)
        return False

    async def _either(self, event: asyncio.Event) -> None:
        """Wait for the event or the stop, whichever comes first."""
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(e.wait()) for e in (event, self.stopping)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the processes while the block runs; at its end all have ended, in order."""
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(self._start(group), name="start")
            tidying = group.create_task(self._tidy(), name="tidy")
            try:
                yield
            finally:
                self.stopping.set()
                starting.cancel()
                tidying.cancel()
                await self.stop_all()

    async def _start(self, group: asyncio.TaskGroup) -> None:
        first, *others = self._children
        group.create_task(first.run(), name=first.spec.name)
        if await self.wait_serving([first.spec.name]):
            for child in others:
                group.create_task(child.run(), name=child.spec.name)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            for child in self._children:
                _trim(child.log)
            if self._starvation is not None and self._starvation.is_over():
                self._children[0].restart()

    async def stop_all(self) -> None:
        """End all in order, each with time to finish; nothing happens to what has ended."""
        self.stopping.set()
        for child in sorted(self._children, key=_stop_rank):
            if not await child.stop(GRACE_SECONDS):
                self.unclean.append(child.spec.name)

    def kill(self) -> None:
        """End everything at once."""
        self.killed = True
        self.stopping.set()
        for child in self._children:
            child.kill()


def _trim(log: LogFile) -> None:
    # a disk without room for the copy has other troubles; it is tried again in seconds
    with suppress(OSError):
        log.trim()


def _stop_rank(child: Child) -> int:
    # what the order does not name ends right behind the one that takes mail in
    name = child.spec.name
    return STOP_ORDER.index(name) if name in STOP_ORDER else 1
