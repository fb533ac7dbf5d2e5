"""Workers: a bounded pool of threads, or none at all."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class ThreadWorkers:
    """At most `threads` pieces of work at once; more wait their turn.

    A thread cannot be ended from outside: work that nobody waits for any more keeps its thread until it
    returns. The limits on what is looked at keep that short; `abandoned` shows it.
    """

    def __init__(self, threads: int) -> None:
        """Start nothing yet; threads come with the first work."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scoring")
        self._abandoned: set[Future[Any]] = set()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises."""
        future = self._pool.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancelled() and not future.done():
                self._abandoned.add(future)
                future.add_done_callback(self._abandoned.discard)
            raise

    @property
    def abandoned(self) -> int:
        """Return how many pieces of work still run although nobody waits for them."""
        return len(self._abandoned)

    def close(self) -> None:
        """Take no more work; what waits is dropped, what runs goes on."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class InlineWorkers:
    """Work is done at once by the caller: for commands that have nothing else to do, and for tests."""

    def __init__(self) -> None:
        """Be open."""
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises."""
        if self._closed:
            raise RuntimeError("the workers are closed")
        return work()

    @property
    def abandoned(self) -> int:
        """Return 0: the caller always waits."""
        return 0

    def close(self) -> None:
        """Take no more work."""
        self._closed = True
