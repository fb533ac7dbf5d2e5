"""Adaptive mode: which senders' last message was spam, taken from what was judged.

Nothing is taken while the mode is off; once it is switched on, the stream's last days are caught up with.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from mailweir.events.v1 import events_pb2
from mailweir_core.clock import Clock
from mailweir_core.record import Listener
from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.keys import mark_key
from mailweir_greylist.policy.senders import normal_sender
from mailweir_greylist.ports import Store, StoreLost
from mailweir_policy import Policy, Thresholds
from mailweir_runtime.bus.ports import Bus, Message, TryLater
from mailweir_runtime.bus.pull import pull_batches
from mailweir_runtime.bus.topology import GREYLISTER
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger

BATCH: Final = 200
LOOK_SECONDS: Final = 1.0
"""How often it is looked whether the mode has been switched."""
PAUSE_SECONDS: Final = 0.5

_log = get_logger(__name__)


class Marker:
    """Marks senders whose last message was spam, and takes the mark off again."""

    def __init__(self, bus: Bus, store: Store, config: HasPolicy, clock: Clock) -> None:
        """Take the stream and where marks are kept."""
        self._bus = bus
        self._store = store
        self._config = config
        self._clock = clock

    async def run(self) -> None:
        """Follow what is judged, in adaptive mode, until cancelled."""
        while True:
            if self._adaptive():
                await self._follow()
            await asyncio.sleep(LOOK_SECONDS)

    def _adaptive(self) -> bool:
        return self._config.current.policy.greylist.adaptive

    async def _follow(self) -> None:
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._end_when_switched_off(over))
            await pull_batches(
                self._bus,
                GREYLISTER,
                self.take,
                most=BATCH,
                stopping=over,
                pause_seconds=PAUSE_SECONDS,
            )

    async def _end_when_switched_off(self, over: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._adaptive():
                return over.set()

    async def take(self, messages: Sequence[Message]) -> None:
        """Note a batch; raises TryLater while the store is away."""
        policy = self._config.current.policy
        spam: dict[str, bool] = {}
        for message in messages:
            if (told := last_word(message.payload, policy)) is not None:
                spam[told[0]] = told[1]
        try:
            await self._write(spam, policy)
        except StoreLost as error:
            raise TryLater(str(error)) from error

    async def _write(self, spam: dict[str, bool], policy: Policy) -> None:
        if not spam:
            return
        now, life = self._clock.now(), policy.greylist.adaptive_seconds
        kept = await self._store.read([mark_key(sender) for sender in spam])
        for sender, was_spam in spam.items():
            key = mark_key(sender)
            if was_spam:
                mark = Entry(
                    State.COUNTED, "", normal_sender(sender), "", now, now, 0.0, now + life
                )
                await self._store.write(key, mark, kept[key], now)
            elif kept[key].entry is not None:
                await self._store.delete(key)


def last_word(payload: bytes, policy: Policy) -> tuple[str, bool] | None:
    """Return a foreign message's sender and whether it was spam; None for what says nothing about that."""
    try:
        judged = events_pb2.Judged.FromString(payload)
    except DecodeError:
        _log.warning("judged_unreadable", bytes=len(payload))
        return None
    session, sender = judged.envelope.session, judged.envelope.sender
    if judged.kind != events_pb2.JUDGED_KIND_MESSAGE or not judged.HasField("verdict"):
        return None
    if not sender or session.auth_user or session.trusted or session.listener != Listener.MX:
        return None
    return sender, judged.verdict.score >= _least_spam(policy.scoring.thresholds)


def _least_spam(thresholds: Thresholds) -> float:
    """Return the score from which a message is marked as spam, or what comes nearest to that."""
    levels = (thresholds.tag, thresholds.quarantine, thresholds.reject)
    return min((level for level in levels if level is not None), default=math.inf)
