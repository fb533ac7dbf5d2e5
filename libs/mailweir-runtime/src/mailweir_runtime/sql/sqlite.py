"""SQLite connections whose threads end before the event loop does."""

import asyncio
import sqlite3
from functools import partial
from typing import Any, Final

import aiosqlite

STOP_SECONDS: Final = 5.0
"""How long to wait, when a database is closed, for threads that were told to stop."""
_ROWS_AT_ONCE: Final = 64


class Connector:
    """Makes connections, and knows the threads that are still on their way out.

    A connection that could not be opened, or whose user was cancelled, is told to stop and forgotten: its
    thread then answers some time later, and raises if the loop that it answers to has closed meanwhile.
    """

    def __init__(self) -> None:
        """Know none."""
        self._ending: set[asyncio.Future[Any]] = set()

    def connect(self, database: str, **options: Any) -> aiosqlite.Connection:
        """Return a connection to be awaited (`async_creator_fn` of SQLAlchemy)."""
        return _Connection(self, partial(sqlite3.connect, database, **options))

    def ends(self, future: asyncio.Future[Any]) -> None:
        """Take note of a thread that ends when this future is done."""
        self._ending.add(future)
        future.add_done_callback(self._ending.discard)

    async def aclose(self) -> None:
        """Wait for the threads that were told to stop."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=STOP_SECONDS)


class _Connection(aiosqlite.Connection):
    """A connection that tells its maker when it is told to stop."""

    def __init__(self, maker: Connector, opens: partial[sqlite3.Connection]) -> None:
        super().__init__(opens, _ROWS_AT_ONCE)
        self._maker = maker

    def stop(self) -> asyncio.Future[Any] | None:
        future = super().stop()
        if future is not None:
            self._maker.ends(future)
        return future
