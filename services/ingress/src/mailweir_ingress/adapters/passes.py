"""Passes of clients that have waited for the banner, in the bucket `passes`; and passes in memory."""

import asyncio
from collections import OrderedDict
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.net import Address
from mailweir_ingress.metrics import Metrics, PassFound
from mailweir_ingress.smtp.sessions import client_key
from mailweir_runtime.bus.ports import Bus, BusError, KeyValue
from mailweir_runtime.bus.topology import PASSES
from mailweir_runtime.logs import get_logger

LOOKUP_SECONDS: Final = 0.25
"""A look-up that takes longer is given up: the client waits, as it would have to without a pass."""
AT_HAND: Final = 20_000
"""Passes that a process remembers by itself; the one unused for longest goes first."""
MAX_GRANTS: Final = 2000
"""Passes that may wait to be stored; one more is only remembered here."""
FOUND_SECONDS: Final = 600.0
"""How long a pass that another process granted is believed before the bucket is asked again."""
_VALUE: Final = b"1"

_log = get_logger(__name__)


class MemoryPasses:
    """The passes that this process remembers by itself."""

    def __init__(self, clock: Clock) -> None:
        """Begin empty."""
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    async def holds(self, client: Address) -> bool:
        """Say whether a client has a pass."""
        return self.at_hand(client_key(client))

    def grant(self, client: Address, seconds: float) -> None:
        """Let a client have a pass for so long."""
        self.remember(client_key(client), seconds)

    def at_hand(self, key: str) -> bool:
        """Say whether a pass is remembered and has not run out."""
        until = self._until.get(key)
        if until is None:
            return False
        if until <= self._clock.now():
            del self._until[key]
            return False
        self._until.move_to_end(key)
        return True

    def remember(self, key: str, seconds: float) -> None:
        """Remember a pass; beyond the bound another one is forgotten."""
        self._until[key] = self._clock.now() + seconds
        self._until.move_to_end(key)
        if len(self._until) > AT_HAND:
            self._until.popitem(last=False)


class BusPasses:
    """Passes of all processes, with those at hand that this one has seen."""

    def __init__(self, bus: Bus, clock: Clock, metrics: Metrics) -> None:
        """Look up in the bucket what is not remembered here."""
        self._bus = bus
        self._metrics = metrics
        self._own = MemoryPasses(clock)
        self._bucket: KeyValue | None = None
        self._grants: asyncio.Queue[tuple[str, float]] = asyncio.Queue(MAX_GRANTS)

    async def holds(self, client: Address) -> bool:
        """Say whether a client has a pass; a look-up that fails or is late finds none, and is counted."""
        key = client_key(client)
        if self._own.at_hand(key):
            self._metrics.gate.passes[PassFound.HERE].inc()
            return True
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                entry = await (await self._opened()).get(_stored_key(key))
        except (BusError, TimeoutError):
            self._metrics.gate.passes[PassFound.FAILED].inc()
            return False
        self._metrics.gate.passes[PassFound.NONE if entry is None else PassFound.THERE].inc()
        if entry is None:
            return False
        # The bucket ends it, at a time that is not known here: it is soon asked again.
        self._own.remember(key, FOUND_SECONDS)
        return True

    def grant(self, client: Address, seconds: float) -> None:
        """Let a client have a pass; where too many wait to be stored, only this process knows of it."""
        key = client_key(client)
        self._own.remember(key, seconds)
        try:
            self._grants.put_nowait((_stored_key(key), seconds))
        except asyncio.QueueFull:
            self._metrics.gate.passes_unstored.inc()

    async def store(self) -> None:
        """Store passes as they are granted; runs until cancelled."""
        while True:
            key, seconds = await self._grants.get()
            try:
                await (await self._opened()).put(key, _VALUE, ttl_seconds=seconds)
            except BusError as error:
                self._metrics.gate.passes_unstored.inc()
                _log.warning("pass_not_stored", detail=str(error)[:200])

    async def _opened(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._bus.bucket(PASSES)
        return self._bucket


def _stored_key(key: str) -> str:
    return key.replace(":", "-")
