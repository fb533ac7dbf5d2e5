"""One lane per destination: a slow or dead one must not take the workers that others need.

A worker that finds its lane full waits a moment. Where that was in vain the lane is slow: from then on a
worker that finds it full puts the message back at once, with a delay that spreads what was put back over
time, until a transaction there is quick again.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from mailweir_core.clock import Clock
from mailweir_delivery.policy.window import Window, after_fault, after_success

PATIENCE_SECONDS: Final = 1.0
"""How long a worker waits for a place; a transaction that takes longer is slow."""
PUT_BACK_FIRST_SECONDS: Final = 1.0
PUT_BACK_MOST_SECONDS: Final = 60.0
PUT_BACK_PER_SECOND: Final = 50.0
"""What is put back comes again at this rate, none before the first and none after the most seconds."""
MAX_LANES: Final = 10_000
"""Lanes without work that are remembered."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """Nothing was tried: give the message back for so many seconds. `cause`: `busy` or `stopping`."""

    delay_seconds: float
    cause: str = "busy"


@dataclass(frozen=True, slots=True)
class Suspended:
    """The destination is left alone; what it last said."""

    last_fault: str


@dataclass(slots=True)
class Lane:
    """A destination's window, who is in it and who waits."""

    window: Window = field(default_factory=Window)
    in_use: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    slow: bool = False
    last_fault: str = ""
    next_slot: float = 0.0

    @property
    def idle(self) -> bool:
        """Say whether nobody is in it or waits."""
        return not self.in_use and not self.waiting


class Lanes:
    """All lanes of the process."""

    def __init__(self, clock: Clock, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Begin with none."""
        self._clock = clock
        self._patience = patience_seconds
        self._lanes: OrderedDict[Hashable, Lane] = OrderedDict()
        self._stopping = False

    def __len__(self) -> int:
        """Return how many destinations are remembered."""
        return len(self._lanes)

    async def enter(self, destination: Hashable, limit: int) -> Lane | PutBack | Suspended:
        """Return a place in the destination's lane, to be left again, or why there is none.

        `limit`: the policy's transactions at once.
        """
        lane = self._lane(destination)
        if refusal := self._refusal(lane):
            return refusal
        if not lane.waiting and lane.window.room(lane.in_use, limit):
            lane.in_use += 1
            return lane
        if lane.slow:
            return self._put_back(lane)
        return await self._wait(lane)

    def leave(self, lane: Lane, seconds: float, limit: int) -> None:
        """Give a place back after a transaction of so many seconds that says nothing against a host."""
        lane.window = after_success(lane.window, limit)
        if seconds < self._patience:
            lane.slow = False
        self._release(lane, limit)

    def leave_with_fault(self, lane: Lane, detail: str, first_wait: float) -> bool:
        """Give a place back after no host could be spoken with; says whether that suspends the lane."""
        now = self._clock.monotonic()
        was_suspended = lane.window.suspended(now)
        lane.window = after_fault(lane.window, now, first_wait)
        lane.last_fault = detail
        self._release(lane, lane.window.size)
        return lane.window.suspended(now) and not was_suspended

    def abandon(self, lane: Lane, limit: int) -> None:
        """Give a place back after a transaction that was cut off by ourselves."""
        self._release(lane, limit)

    def stop(self) -> None:
        """Let nobody in any more; who waits is told."""
        self._stopping = True
        for lane in self._lanes.values():
            self._wake_all(lane)

    def _lane(self, destination: Hashable) -> Lane:
        lane = self._lanes.get(destination)
        if lane is None:
            self._make_room()
            lane = self._lanes[destination] = Lane()
        self._lanes.move_to_end(destination)
        return lane

    def _make_room(self) -> None:
        if len(self._lanes) < MAX_LANES:
            return
        for destination, lane in self._lanes.items():
            if lane.idle:
                del self._lanes[destination]
                return

    def _refusal(self, lane: Lane) -> Suspended | PutBack | None:
        if self._stopping:
            return PutBack(0.0, "stopping")
        if lane.window.suspended(self._clock.monotonic()):
            return Suspended(lane.last_fault)
        return None

    async def _wait(self, lane: Lane) -> Lane | PutBack | Suspended:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(place)
        try:
            await asyncio.wait((place,), timeout=self._patience)
        except asyncio.CancelledError:
            self._give_up(lane, place)
            raise
        if place.done():
            return lane if not place.cancelled() else self._refusal(lane) or self._put_back(lane)
        self._give_up(lane, place)
        lane.slow = True
        return self._put_back(lane)

    def _give_up(self, lane: Lane, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():  # it came in the same moment
            self._release(lane, lane.window.size)
        elif not place.done():
            lane.waiting.remove(place)

    def _release(self, lane: Lane, limit: int) -> None:
        lane.in_use -= 1
        if lane.window.suspended(self._clock.monotonic()):
            self._wake_all(lane)
        while lane.waiting and lane.window.room(lane.in_use, limit):
            lane.in_use += 1
            lane.waiting.popleft().set_result(None)

    def _wake_all(self, lane: Lane) -> None:
        """Send everybody who waits away without a place."""
        while lane.waiting:
            lane.waiting.popleft().cancel()

    def _put_back(self, lane: Lane) -> PutBack:
        now = self._clock.monotonic()
        first = max(lane.next_slot, now + PUT_BACK_FIRST_SECONDS)
        lane.next_slot = min(first + 1 / PUT_BACK_PER_SECOND, now + PUT_BACK_MOST_SECONDS)
        return PutBack(lane.next_slot - now)
