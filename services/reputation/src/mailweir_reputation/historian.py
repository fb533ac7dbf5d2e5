"""Folds what was judged into histories, and notes whom our users write to.

Every record knows the deeds that it counted last, so that a message which is handed out again, after a crash
between writing and acknowledging, is counted once. Only a record that has taken in more than `record.RECENT`
other deeds meanwhile counts it twice: a share of well below one in a hundred of a busy provider's record.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from mailweir_core.client import ClientClass
from mailweir_core.clock import Clock
from mailweir_core.net import parse_ip
from mailweir_policy.reputation import HistoryPolicy
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters.judged import judgement_of
from mailweir_reputation.memory import Change, HistoryStore
from mailweir_reputation.policy.asn import AsnTable
from mailweir_reputation.policy.history.deeds import Judgement, deeds_of, pairs_of
from mailweir_reputation.policy.history.keys import Key, around
from mailweir_reputation.policy.history.opinion import class_of
from mailweir_reputation.policy.history.record import Deed, Record, folded, noted
from mailweir_runtime.bus.ports import Bus, Message
from mailweir_runtime.bus.pull import pull_batches
from mailweir_runtime.bus.topology import HISTORIAN
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger

BATCH: Final = 64
"""Events that are folded at once; fewer than a record remembers, so that none of a batch is counted twice."""
PAUSE_SECONDS: Final = 0.25
"""After a batch that was not full; what is judged meanwhile is folded together."""

_log = get_logger(__name__)


class Historian:
    """Takes batches of judged events."""

    def __init__(
        self, store: HistoryStore, asn: AsnTable, config: HasPolicy, clock: Clock,
        metrics: AcquaintanceMetrics,
    ) -> None:  # fmt: skip
        """Write to the store by the policy in force."""
        self._store = store
        self._asn = asn
        self._config = config
        self._clock = clock
        self._metrics = metrics

    async def run(self, bus: Bus, stopping: asyncio.Event) -> None:
        """Take what was judged until `stopping`."""
        await pull_batches(
            bus, HISTORIAN, self.handle, most=BATCH, stopping=stopping, pause_seconds=PAUSE_SECONDS
        )

    async def handle(self, messages: Sequence[Message]) -> None:
        """Take a batch in; raises BusError, and then the batch comes back."""
        judged = [one for message in messages if (one := await self._read(message)) is not None]
        policy = self._config.current.policy
        rules, now = policy.reputation, self._clock.now()
        if rules.history.enabled:
            await self._fold(judged, rules.history, now)
        ours = frozenset(domain.name for domain in policy.relay.domains)
        pairs = frozenset[str]().union(*(pairs_of(one, ours) for one in judged))
        if pairs:
            await self._store.remember(sorted(pairs), rules.correspondent_seconds)

    async def _read(self, message: Message) -> Judgement | None:
        try:
            return judgement_of(message.payload)
        except ValueError as error:
            self._metrics.events.labels("unreadable").inc()
            await message.park(str(error))
            return None

    async def _fold(self, judged: Iterable[Judgement], rules: HistoryPolicy, now: float) -> None:
        deeds: dict[Key, list[Deed]] = defaultdict(list)
        for one in judged:
            found = deeds_of(one, self._asn_of(one), now)
            what = "counted" if found else "correspondence" if one.ours else "ignored"
            self._metrics.events.labels(what).inc()
            for key, deed in found.items():
                deeds[key].append(deed)
        changes = {
            key: partial(folded, deeds=each, half_life=rules.half_life_seconds)
            for key, each in deeds.items()
        }
        records = await self._change(changes, rules)
        await self._widen(records, rules, now)

    async def _widen(self, records: Mapping[Key, Record], rules: HistoryPolicy, now: float) -> None:
        """Note bad networks in the wider ones around them, and those that become bad by it in theirs."""
        while records:
            bad: dict[Key, list[str]] = defaultdict(list)
            for key, record in records.items():
                wider = around(key)
                if wider is not None and class_of(key, record, now, rules) is ClientClass.BAD:
                    bad[wider].append(key.text)
            changes = {
                key: partial(noted, bad=names, now=now, forget=rules.forget_seconds)
                for key, names in bad.items()
            }
            records = await self._change(changes, rules)

    async def _change(
        self, changes: Mapping[Key, Change], rules: HistoryPolicy
    ) -> dict[Key, Record]:
        by_stored = {key.stored: key for key in changes}
        stored = {key.stored: change for key, change in changes.items()}
        records = await self._store.change(stored, rules.forget_seconds) if stored else {}
        return {by_stored[name]: record for name, record in records.items()}

    def _asn_of(self, judged: Judgement) -> int:
        address = parse_ip(judged.client_ip)
        return 0 if address is None else self._asn.of(address)
