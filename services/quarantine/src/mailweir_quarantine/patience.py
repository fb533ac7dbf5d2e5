"""Waiting for a database that is away, without giving the streams' messages up.

A failed batch that is given back costs each of its messages an attempt, and the attempts end in the parking
stream. A database that is down is no fault of the messages: they are kept, and the broker is told that they
are being worked on, until the database is back or the process stops.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from prometheus_client import Counter

from mailweir_runtime.bus.ports import Message
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlUnavailable

FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 15.0
"""Pause between attempts: doubles from the first to the most."""
PART: Final = "database"

_log = get_logger(__name__)


class Degradable(Protocol):
    """What is told of an outage: the runtime."""

    def degraded(self, detail: str, *, part: str = "") -> None:
        """Say that the service works with less."""
        ...

    def recovered(self, part: str = "") -> None:
        """Say that a part works again."""
        ...


class Patience:
    """Repeats work until the database takes it."""

    def __init__(
        self,
        rt: Degradable,
        errors: Counter,
        stopping: asyncio.Event,
        *,
        first: float = FIRST_SECONDS,
    ) -> None:
        """Count failures in `errors` (label `operation`); give up when `stopping` is set."""
        self._rt = rt
        self._errors = errors
        self._stopping = stopping
        self._first = first

    async def keep(
        self, messages: Sequence[Message], operation: str, work: Callable[[], Awaitable[object]]
    ) -> bool:
        """Do the work and say True; when the process stops first, give the messages back and say False.

        Raises SqlRefused and what else `work` raises.
        """
        pause = self._first
        while True:
            try:
                await work()
            except SqlUnavailable as error:
                self._errors.labels(operation).inc()
                self._rt.degraded(f"the database does not answer: {error}", part=PART)
                _log.warning("database_away", operation=operation, detail=str(error))
            else:
                self._rt.recovered(PART)
                return True
            if await self._stops_within(pause):
                for message in messages:
                    await message.nak()
                return False
            pause = min(pause * 2, MOST_SECONDS)

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
