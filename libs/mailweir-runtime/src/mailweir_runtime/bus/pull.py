"""Pull loops: take what free workers can work on, keep it alive while they do, give back, park.

A handler settles a message itself (ack, nak, park) or returns, which acks it. An exception gives the
message back with a growing, jittered delay; after the consumer's `max_deliver` attempts it is parked,
unless the exception is an outage (BusError, TryLater).
A broker that is away is waited for; nothing is lost, since what was not acked is handed out again.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

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
    workers = _Workers(concurrency)
    async with asyncio.TaskGroup() as tasks:
        loop = _Loop(bus, spec, stopping, tasks)
        async with loop.background(), asyncio.TaskGroup() as handlers:
            while not stopping.is_set():
                await workers.some_free()
                for message in await loop.fetch(workers.free, keep_open=True):
                    workers.begin()
                    handlers.create_task(loop.one(message, handle)).add_done_callback(workers.end)
            await loop.end_fetching()


async def pull_batches(
    bus: Bus, spec: ConsumerSpec, handle: BatchHandler,
    *, most: int, stopping: asyncio.Event, pause_seconds: float = 0.0,
) -> None:  # fmt: skip
    """Hand what lies ready to `handle`, up to `most` at once; normal return acks all of it.

    After a batch that was not full comes a pause, in which the next one gathers: each batch costs a
    transaction, whatever its size. A first message after a quiet time is not kept waiting.
    When a batch fails, its messages are tried one by one, so that a bad one does not hold up the others.
    """
    async with asyncio.TaskGroup() as tasks:
        loop = _Loop(bus, spec, stopping, tasks)
        async with loop.background():
            while not stopping.is_set():
                messages = await loop.fetch(most)
                if messages:
                    await loop.batch(messages, handle)
                if pause_seconds > 0 and 0 < len(messages) < most:
                    await _wait_or(stopping, pause_seconds)


class _Workers:
    """How many more messages may be worked on."""

    def __init__(self, number: int) -> None:
        self.free = number
        self._freed = asyncio.Event()

    def begin(self) -> None:
        self.free -= 1

    def end(self, _task: asyncio.Task[None]) -> None:
        self.free += 1
        self._freed.set()

    async def some_free(self) -> None:
        while not self.free:
            self._freed.clear()
            await self._freed.wait()


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
        self._in_hand: set[Message] = set()
        self._fetching: asyncio.Timeout | None = None
        handled = self._metrics.handled
        self._acked, self._naked = (handled.labels(spec.name, r) for r in ("acked", "naked"))
        self._random = random.Random()  # noqa: S311 - spreads retries, guards nothing

    @asynccontextmanager
    async def background(self) -> AsyncIterator[None]:
        """Show the lag, keep alive what is in hand and heed `stopping` for as long as the block lasts."""
        work = (self._watch_lag(), self._keep_alive(), self._heed_stopping())
        running = [self._tasks.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in running:
                task.cancel()

    async def fetch(self, most: int, *, keep_open: bool = False) -> Sequence[Message]:
        """Return what there is; nothing when the broker is away or the loop is to end."""
        try:
            messages = await self._fetch_unless_stopping(most, keep_open=keep_open)
        except BusError as error:
            self._outages += 1
            self._metrics.fetch_failures.labels(self._spec.name).inc()
            _log.warning("fetch_failed", consumer=self._spec.name, detail=str(error))
            pause = OUTAGE_FIRST_SECONDS * 2.0 ** min(self._outages - 1, 10)
            await _wait_or(self._stopping, min(pause, OUTAGE_MOST_SECONDS))
            return ()
        self._outages = 0
        return messages

    async def _fetch_unless_stopping(self, most: int, *, keep_open: bool) -> Sequence[Message]:
        scope = asyncio.timeout(None)  # ended by `_heed_stopping`: a task per fetch would cost more
        try:
            async with scope:
                self._fetching = scope
                consumer = await self._bus.consumer(self._spec)
                return await consumer.fetch(most, FETCH_SECONDS, keep_open=keep_open)
        except TimeoutError:
            if scope.expired():
                return ()
            raise
        finally:
            self._fetching = None

    async def _heed_stopping(self) -> None:
        await self._stopping.wait()
        if self._fetching is not None:
            self._fetching.reschedule(asyncio.get_running_loop().time())

    async def end_fetching(self) -> None:
        """Give back what came since the last fetch."""
        try:
            await (await self._bus.consumer(self._spec)).end_fetching()
        except BusError as error:
            _log.debug("fetch_not_ended", consumer=self._spec.name, detail=str(error))

    async def one(self, message: Message, handle: Handler) -> None:
        """Run a handler over one message and settle it."""
        self._in_hand.add(message)
        try:
            await handle(message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the message is given back
            await self._failed(message, error)
        else:
            await self._done((message,))
        finally:
            self._in_hand.discard(message)

    async def batch(self, messages: Sequence[Message], handle: BatchHandler) -> None:
        """Run a handler over a batch; on an exception, over each message alone."""
        self._in_hand.update(messages)
        try:
            await handle(messages)
        except Exception as error:  # noqa: BLE001 - the single runs find out which message it is
            _log.warning(
                "batch_failed", consumer=self._spec.name, size=len(messages), detail=repr(error)
            )
            for message in messages:
                if not message.settled:
                    await self.one(message, lambda single: handle((single,)))
        else:
            await self._done(messages)
        finally:
            self._in_hand.difference_update(messages)

    async def _done(self, messages: Sequence[Message]) -> None:
        left = [message for message in messages if not message.settled]
        self._acked.inc(len(left))
        self._naked.inc(len(messages) - len(left))
        for message in left:
            if not await self._tell(message.ack()):
                return  # nor would the others be heard

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

    async def _tell(self, call: Awaitable[None]) -> bool:
        """Settle a message; where the broker is away, it hands the message out again by itself."""
        try:
            await call
        except BusError as error:
            _log.warning("settle_failed", consumer=self._spec.name, detail=str(error))
            return False
        return True

    async def _keep_alive(self) -> None:
        """Tell the broker every third of the ack wait what is worked on."""
        while True:
            await asyncio.sleep(self._spec.ack_wait_seconds / 3)
            for message in tuple(self._in_hand):
                if not message.settled:
                    await self._tell(message.in_progress())

    async def _watch_lag(self) -> None:
        """Keep the lag gauge fresh."""
        while True:
            try:
                consumer = await self._bus.consumer(self._spec)
                self._metrics.lag.labels(self._spec.name).set(await consumer.lag())
            except BusError as error:
                _log.debug("lag_unknown", consumer=self._spec.name, detail=str(error))
            await asyncio.sleep(LAG_SECONDS)


async def _wait_or(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond `stopping`."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
