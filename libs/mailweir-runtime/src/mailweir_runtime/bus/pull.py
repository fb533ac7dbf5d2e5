"""Pull loops: take what free workers can work on, keep it alive while they do, give back, park.

A handler settles a message itself (ack, nak, park) or returns, which acks it. An exception gives the
message back with a growing, jittered delay; after the consumer's `max_deliver` attempts it is parked,
unless the exception is an outage (BusError, TryLater).
A broker that is away is waited for; nothing is lost, since what was not acked is handed out again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mailweir_runtime.bus.ports import Bus, BusError, Message, TryLater
from mailweir_runtime.bus.topology import ConsumerSpec
from mailweir_runtime.logs import get_logger

FETCH_SECONDS: Final = 5.0
"""How long one fetch waits for a first message."""
RETRY_FIRST_SECONDS: Final = 1.0
RETRY_MOST_SECONDS: Final = 300.0
"""Delay before a failed message comes back: doubles from the first to the most, plus or minus a quarter."""
OUTAGE_FIRST_SECONDS: Final = 0.1
OUTAGE_MOST_SECONDS: Final = 5.0
"""Pause between fetches while the broker does not answer."""
LAG_SECONDS: Final = 10.0
"""How often the lag is asked for."""

Handler = Callable[[Message], Awaitable[None]]
BatchHandler = Callable[[Sequence[Message]], Awaitable[None]]

_log = get_logger(__name__)


def retry_delay(attempt: int, chance: float) -> float:
    """Return the delay in seconds after failed attempt `attempt` (from 1); `chance` in [0, 1)."""
    doublings = min(max(attempt - 1, 0), 20)
    delay = min(RETRY_FIRST_SECONDS * 2.0**doublings, RETRY_MOST_SECONDS)
    return delay * (0.75 + 0.5 * chance)


async def pull(
    bus: Bus, spec: ConsumerSpec, handle: Handler, *, concurrency: int, stopping: asyncio.Event
) -> None:
    """Hand each message of a consumer to `handle`, at most `concurrency` at once, until `stopping`.

    Then nothing more is fetched, and what is in flight is waited for.
    """
    free = asyncio.Semaphore(concurrency)
    async with asyncio.TaskGroup() as tasks:
        loop = _Loop(bus, spec, stopping, tasks)
        async with loop.background(loop.watch_lag()):
            while not stopping.is_set():
                most = await _free_workers(free)
                messages = await loop.fetch(most)
                for message in messages:
                    work = tasks.create_task(loop.one(message, handle))
                    work.add_done_callback(lambda _: free.release())
                for _ in range(most - len(messages)):
                    free.release()


async def pull_batches(
    bus: Bus, spec: ConsumerSpec, handle: BatchHandler, *, most: int, stopping: asyncio.Event
) -> None:
    """Hand what lies ready to `handle`, up to `most` at once; normal return acks all of it.

    When a batch fails, its messages are tried one by one, so that a bad one does not hold up the others.
    """
    async with asyncio.TaskGroup() as tasks:
        loop = _Loop(bus, spec, stopping, tasks)
        async with loop.background(loop.watch_lag()):
            while not stopping.is_set():
                messages = await loop.fetch(most)
                if messages:
                    await loop.batch(messages, handle)


async def _free_workers(free: asyncio.Semaphore) -> int:
    """Wait for a free worker and take every one that is free; returns how many."""
    await free.acquire()
    taken = 1
    while not free.locked():
        await free.acquire()
        taken += 1
    return taken


class _Loop:
    """What both loops share: fetching through outages, keeping alive, settling."""

    def __init__(
        self, bus: Bus, spec: ConsumerSpec, stopping: asyncio.Event, tasks: asyncio.TaskGroup
    ) -> None:
        self._bus = bus
        self._spec = spec
        self._stopping = stopping
        self._tasks = tasks
        self._metrics = bus.metrics
        self._outages = 0
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    @asynccontextmanager
    async def background(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run something for as long as the block lasts."""
        task = self._tasks.create_task(work)
        try:
            yield
        finally:
            task.cancel()

    async def fetch(self, most: int) -> Sequence[Message]:
        """Return what there is; nothing when the broker is away or the loop is to end."""
        try:
            messages = await self._fetch_unless_stopping(most)
        except BusError as error:
            self._outages += 1
            self._metrics.fetch_failures.labels(self._spec.name).inc()
            _log.warning("fetch_failed", consumer=self._spec.name, detail=str(error))
            pause = OUTAGE_FIRST_SECONDS * 2.0 ** min(self._outages - 1, 10)
            await _wait_or(self._stopping, min(pause, OUTAGE_MOST_SECONDS))
            return ()
        self._outages = 0
        return messages

    async def _fetch_unless_stopping(self, most: int) -> Sequence[Message]:
        consumer = await self._bus.consumer(self._spec)
        fetching = self._tasks.create_task(_quietly(consumer.fetch(most, FETCH_SECONDS)))
        async with self.background(_cancel_on(self._stopping, fetching)):
            await asyncio.wait((fetching,))
        if fetching.cancelled():
            return ()
        result = fetching.result()
        if isinstance(result, BusError):
            raise result
        return result

    async def one(self, message: Message, handle: Handler) -> None:
        """Run a handler over one message and settle it."""
        try:
            async with self.background(self._keep_alive((message,))):
                await handle(message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the message is given back
            await self._failed(message, error)
        else:
            await self._done(message)

    async def batch(self, messages: Sequence[Message], handle: BatchHandler) -> None:
        """Run a handler over a batch; on an exception, over each message alone."""
        async with self.background(self._keep_alive(messages)):
            try:
                await handle(messages)
            except Exception as error:  # noqa: BLE001 - the single runs find out which message it is
                _log.warning(
                    "batch_failed", consumer=self._spec.name, size=len(messages), detail=repr(error)
                )
                for message in messages:
                    if not message.settled:
                        await self.one(message, lambda single: handle((single,)))
                return
        for message in messages:
            await self._done(message)

    async def _done(self, message: Message) -> None:
        result = "naked" if message.settled else "acked"
        self._metrics.handled.labels(self._spec.name, result).inc()
        if not message.settled:
            await self._tell(message.ack())

    async def _failed(self, message: Message, error: Exception) -> None:
        """Give back a message whose handler raised, or park it after the last attempt."""
        name, attempt = self._spec.name, message.attempt
        if message.settled:
            _log.error("handler_failed_after_settling", consumer=name, exc_info=error)
            return
        outage = isinstance(error, (BusError, TryLater))  # not the message's fault
        if 0 < self._spec.max_deliver <= attempt and not outage:
            self._metrics.handled.labels(name, "parked").inc()
            _log.error("message_parked", consumer=name, subject=message.subject, exc_info=error)
            await self._tell(message.park(repr(error)))
            return
        delay = retry_delay(attempt, self._random.random())
        self._metrics.handled.labels(name, "failed").inc()
        _log.warning(
            "handler_failed", consumer=name, subject=message.subject, attempt=attempt,
            retry_seconds=round(delay, 1), exc_info=error,
        )  # fmt: skip
        await self._tell(message.nak(delay))

    async def _tell(self, call: Awaitable[None]) -> None:
        """Settle a message; where the broker is away, it hands the message out again by itself."""
        try:
            await call
        except BusError as error:
            _log.warning("settle_failed", consumer=self._spec.name, detail=str(error))

    async def _keep_alive(self, messages: Sequence[Message]) -> None:
        """Tell the broker every third of the ack wait that the messages are worked on."""
        while True:
            await asyncio.sleep(self._spec.ack_wait_seconds / 3)
            for message in messages:
                if not message.settled:
                    await self._tell(message.in_progress())

    async def watch_lag(self) -> None:
        """Keep the lag gauge fresh."""
        while True:
            try:
                consumer = await self._bus.consumer(self._spec)
                self._metrics.lag.labels(self._spec.name).set(await consumer.lag())
            except BusError as error:
                _log.debug("lag_unknown", consumer=self._spec.name, detail=str(error))
            await asyncio.sleep(LAG_SECONDS)


async def _quietly(fetch: Awaitable[Sequence[Message]]) -> Sequence[Message] | BusError:
    """Return a broker's failure as a value: raised in the task group it would end every handler."""
    try:
        return await fetch
    except BusError as error:
        return error


async def _cancel_on(stopping: asyncio.Event, task: asyncio.Task[Any]) -> None:
    await stopping.wait()
    task.cancel()


async def _wait_or(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond `stopping`."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
