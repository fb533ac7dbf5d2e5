"""Memory for big bodies: bytes that are in hand at once, over all workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

WAIT_SECONDS: Final = 5.0
"""How long a worker waits for memory before its message is put back."""


class MemoryFull(Exception):
    """Raised when no memory came free in time."""


class ByteBudget:
    """So many bytes at once; one body that is larger than all of it may go alone."""

    def __init__(self, total: int) -> None:
        """Allow `total` bytes."""
        self._total = total
        self._used = 0
        self._freed = asyncio.Condition()

    @property
    def used(self) -> int:
        """Return the bytes taken now."""
        return self._used

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes while the block lasts; raises MemoryFull."""
        wanted = min(size, self._total)
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._freed:
                await self._freed.wait_for(lambda: self._used + wanted <= self._total)
                self._used += wanted
        except TimeoutError as error:
            raise MemoryFull(f"{self._used} of {self._total} bytes are taken") from error
        try:
            yield
        finally:
            self._used -= wanted
            async with self._freed:
                self._freed.notify_all()
