"""Mail that is held for an outbound limit, remembered in the bus for every process."""

from collections.abc import Sequence
from typing import Final

from mailweir_core.clock import Clock
from mailweir_ratelimit.metrics import Metrics
from mailweir_ratelimit.policy import waiting as held
from mailweir_ratelimit.policy.waiting import Waiting
from mailweir_ratelimit.ports import Cells, CellsAway, Change
from mailweir_runtime.logs import get_logger

TTL_SECONDS: Final = 32 * 86_400.0
"""How long a message waits at most; the quarantine has usually deleted it by then."""
_log = get_logger(__name__)


class WaitingList:
    """What waits, in the bus."""

    def __init__(self, cells: Cells, clock: Clock, metrics: Metrics) -> None:
        """Keep the messages in `cells`."""
        self._cells = cells
        self._clock = clock
        self._metrics = metrics

    async def add(self, message: Waiting) -> None:
        """Remember a message; where that fails it stays in quarantine until somebody releases it."""

        def step(value: bytes | None) -> Change[None]:
            if value is not None:
                return Change(None)
            return Change(None, held.dump(message), TTL_SECONDS)

        try:
            await self._cells.change(message.key, step, sure=True)
        except CellsAway as error:
            self._metrics.not_waiting.inc()
            _log.error("waiting_not_noted", ref=message.ref, detail=str(error))

    async def all(self) -> Sequence[Waiting]:
        """Return what waits, the oldest first; raises CellsAway."""
        found = [held.load(value) for _, value in await self._cells.scan(held.PREFIX)]
        return sorted(
            (one for one in found if one is not None), key=lambda one: (one.since, one.ref)
        )

    async def of(self, login: str) -> int:
        """Return how many messages of a user wait; raises CellsAway."""
        return len(await self._cells.scan(held.prefix_of(login)))

    async def claim(self, message: Waiting) -> bool:
        """Take a message in hand; False where it is gone or another process has it. Raises CellsAway."""
        now = self._clock.now()

        def step(value: bytes | None) -> Change[bool]:
            present = held.load(value)
            mine = None if present is None else held.claimed(present, now)
            return Change(False) if mine is None else Change(True, held.dump(mine), TTL_SECONDS)

        return await self._cells.change(message.key, step, sure=True)

    async def give_back(self, message: Waiting) -> None:
        """Put a message back into the row; raises CellsAway."""

        def step(value: bytes | None) -> Change[None]:
            return Change(None) if value is None else Change(None, held.dump(message), TTL_SECONDS)

        await self._cells.change(message.key, step, sure=True)

    async def remove(self, message: Waiting) -> None:
        """Forget a message; raises CellsAway."""
        await self._cells.remove(message.key)
