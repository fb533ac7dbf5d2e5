"""The link to the broker: one wire after the other, for ever; requests wait for the next one."""

import asyncio
import random
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nats.errors

from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.nats_wire import Incoming, Wire, WireLost
from mailweir_runtime.bus.ports import BusFull, BusUnavailable
from mailweir_runtime.logs import get_logger

PROBE_SECONDS: Final = 5.0
"""A connection that is silent for so long is probed, and given up when the probe takes as long."""
BACKOFF_FIRST_SECONDS: Final = 0.1
BACKOFF_MOST_SECONDS: Final = 5.0
"""Pause before the next attempt to connect: doubles, plus or minus a quarter."""
QUICK_END_SECONDS: Final = 2.0
"""A connection that ends sooner counts as a failed attempt."""
NO_RESPONDERS: Final = 503
"""Status of the answer that comes at once where nobody listens."""
ELECTION_PAUSE_SECONDS: Final = 0.2
RESEND_SECONDS: Final = 4.0
"""An election is over by then; a disk that is merely slow should not get everything twice."""
CONNECT_ERRORS: Final = (OSError, TimeoutError, nats.errors.Error, ValueError)
_USERINFO: Final = re.compile(r"//[^@,]*@")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Where the broker is and who we are. `url`: several with commas between them."""

    url: str
    name: str
    credentials: Path | None = None


class OverLimit(BusFull):
    """Raised when one message is bigger than the broker takes; others it takes."""


def without_secrets(url: str) -> str:
    """Return URLs without user and password, for logs and errors."""
    return _USERINFO.sub("//", url)


class Link:
    """Keeps a wire to the broker; `run` must be running.

    `established` is awaited with every new wire but the first, `changed` called with every change.
    """

    def __init__(self, options: LinkOptions, metrics: BusMetrics) -> None:
        """Prepare; `open` makes the first connection."""
        self.established: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.changed: Callable[[bool], None] = lambda _: None
        self.connections = 0
        self._options = options
        self._metrics = metrics
        self._wire: Wire | None = None
        self._up = asyncio.Event()
        self._last_problem = "no answer"
        self._random = random.Random()  # noqa: S311 - spreads reconnects, guards nothing

    @property
    def connected(self) -> bool:
        """Say whether there is a wire."""
        return self._wire is not None and not self._wire.lost.is_set()

    async def open(self, seconds: float) -> Wire:
        """Make the first connection; raises BusUnavailable after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return self._adopt(await self._connect())
                    except CONNECT_ERRORS as error:
                        self._note(error)
                    await asyncio.sleep(BACKOFF_FIRST_SECONDS)
        except TimeoutError as error:
            url = without_secrets(self._options.url)
            raise BusUnavailable(f"{url}: {self._last_problem}") from error

    async def run(self) -> None:
        """Watch the wire and make a new one when it breaks, until cancelled."""
        loop = asyncio.get_running_loop()
        pause = BACKOFF_FIRST_SECONDS
        while True:
            wire = self._wire or self._adopt(await self._connect_again(pause))
            began = loop.time()
            await self._watch(wire)
            self._drop()
            await wire.dispose()
            quick = loop.time() - began < QUICK_END_SECONDS
            pause = min(pause * 2, BACKOFF_MOST_SECONDS) if quick else BACKOFF_FIRST_SECONDS

    async def close(self) -> None:
        """Send what was written, then end the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.probe(PROBE_SECONDS)
            await wire.dispose()

    async def wire(self, seconds: float) -> Wire:
        """Return the wire, waiting for a new one if need be; raises BusUnavailable."""
        wire = self._wire
        if wire is not None and not wire.lost.is_set():
            return wire
        try:
            async with asyncio.timeout(seconds):
                while not self.connected:
                    self._up.clear()
                    await self._up.wait()
        except TimeoutError as error:
            raise BusUnavailable("no connection to the broker") from error
        return await self.wire(seconds)

    async def request(
        self,
        subject: str,
        payload: bytes,
        *,
        seconds: float,
        header: bytes = b"",
        resend: bool = False,
    ) -> Incoming:
        """Send and return the answer; raises BusUnavailable, BusFull for what is over the broker's limit.

        `resend`: doing it twice does no harm, so it goes out again on the next wire when this one breaks, and
        where no answer comes: in a cluster the leader of a stream may have died with it in its hands, and
        there is none until the others have elected one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            wire = await self.wire(deadline - loop.time())
            if len(header) + len(payload) > wire.max_payload:
                # sent all the same, the broker would end the connection, and everybody's publishes with it
                raise BusFull(
                    f"{len(payload)} bytes are over the broker's max_payload {wire.max_payload}"
                )
            left = deadline - loop.time()
            try:
                answer = await wire.ask(
                    subject, payload, header, min(left, RESEND_SECONDS) if resend else left
                )
            except TimeoutError as error:
                if resend and left > RESEND_SECONDS:
                    continue
                raise BusUnavailable(f"no answer within {seconds:g} s") from error
            except WireLost as error:
                if resend:
                    continue
                raise BusUnavailable("the connection broke before the answer") from error
            if answer.status != NO_RESPONDERS or not resend or left <= ELECTION_PAUSE_SECONDS:
                return answer
            await asyncio.sleep(ELECTION_PAUSE_SECONDS)

    async def send(self, subject: str, payload: bytes, *, seconds: float) -> None:
        """Send without an answer; raises BusUnavailable when there is no wire in time."""
        wire = await self.wire(seconds)
        try:
            wire.send(subject, payload)
        except WireLost as error:
            raise BusUnavailable("the connection broke") from error

    def send_now(self, subject: str, payload: bytes) -> None:
        """Send without an answer if there is a wire; for what may be lost."""
        if self._wire is not None and not self._wire.lost.is_set():
            self._wire.send(subject, payload)

    async def _connect(self) -> Wire:
        wire = Wire()
        options = self._options
        try:
            await wire.open(
                options.url,
                name=options.name,
                credentials=options.credentials,
                problem=self._problem,
            )
        except BaseException:
            await wire.dispose()
            raise
        return wire

    async def _connect_again(self, pause: float) -> Wire:
        while True:
            await asyncio.sleep(pause * (0.75 + 0.5 * self._random.random()))
            try:
                wire = await self._connect()
            except CONNECT_ERRORS as error:
                self._note(error)
                _log.info("bus_not_reached", detail=self._last_problem)
                pause = min(pause * 2, BACKOFF_MOST_SECONDS)
                continue
            self._metrics.reconnects.inc()
            _log.info("bus_reconnected")
            return wire

    async def _watch(self, wire: Wire) -> None:
        """Return when the wire is lost."""
        async with asyncio.TaskGroup() as tasks:
            hook = None
            if self.established is not None:
                hook = tasks.create_task(self.established())
            while not wire.lost.is_set():
                try:
                    async with asyncio.timeout(PROBE_SECONDS):
                        await wire.lost.wait()
                except TimeoutError:
                    if not await wire.probe(PROBE_SECONDS):
                        break
            if hook is not None:
                hook.cancel()

    def _adopt(self, wire: Wire) -> Wire:
        self._wire = wire
        self.connections += 1
        self._metrics.connected.set(1)
        self._up.set()
        self.changed(True)
        return wire

    def _drop(self) -> None:
        self._wire = None
        self._metrics.connected.set(0)
        self._metrics.disconnects.inc()
        _log.warning("bus_disconnected")
        self.changed(False)

    def _problem(self, error: Exception) -> None:
        self._metrics.errors.inc()
        self._note(error)
        _log.info("bus_connection_error", detail=self._last_problem)

    def _note(self, error: Exception) -> None:
        # that no server is left to try says less than what was wrong with the last one
        if not isinstance(error, nats.errors.NoServersError):
            self._last_problem = str(error) or type(error).__name__
