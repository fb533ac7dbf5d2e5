"""What clients and senders have done, and whom our users wrote to, asked of a store within a budget."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from mailweir_core.client import ClientFacts
from mailweir_core.net import Address
from mailweir_core.record import Session
from mailweir_policy.reputation import HistoryPolicy, ReputationPolicy
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.memory import HistoryStore
from mailweir_reputation.policy.acquaintance import (
    of_client_history,
    of_correspondent,
    of_history,
)
from mailweir_reputation.policy.asn import AsnTable
from mailweir_reputation.policy.findings import NOTHING, Finding
from mailweir_reputation.policy.history.keys import (
    Key,
    Kind,
    client_keys,
    helo_keys,
    pair_key,
    sender_keys,
    subject_keys,
)
from mailweir_reputation.policy.history.opinion import Known
from mailweir_reputation.policy.history.record import Record, faded
from mailweir_reputation.policy.ruling import is_proven
from mailweir_reputation.ports import Remembered
from mailweir_runtime.bus.ports import BusError

T = TypeVar("T")

ASKED_SECONDS: Final = 5.0
"""For people who ask; a session waits for `answer_seconds` of the policy."""


class Past:
    """Asks the store; never raises: one that is slow or away is counted and named."""

    def __init__(self, store: HistoryStore, asn: AsnTable, metrics: AcquaintanceMetrics) -> None:
        """Take the store and the table of autonomous systems."""
        self._store = store
        self._asn = asn
        self._metrics = metrics

    async def client(self, address: Address, rules: ReputationPolicy, now: float) -> Finding:
        """Return a client's class."""
        asn = self._asn.of(address)
        if not rules.history.enabled:
            return Finding(asn=asn)
        known = await self._known(client_keys(address, asn), rules.answer_seconds)
        if isinstance(known, str):
            return Finding(asn=asn, failed=f"history: {known}", valid_seconds=0.0)
        return replace(of_client_history(known, now, rules), asn=asn)

    async def sender(
        self, session: Session, sender: str, client: ClientFacts, address: Address,
        rules: ReputationPolicy, now: float,
    ) -> Finding:  # fmt: skip
        """Return what a sender and its client have sent."""
        if not rules.history.enabled:
            return NOTHING
        proven = is_proven(sender, client) or bool(session.auth_user)
        keys = (
            *sender_keys(sender, address, proven=proven),
            *client_keys(address, client.asn or self._asn.of(address)),
            *helo_keys(session.helo),
        )
        known = await self._known(keys, rules.answer_seconds)
        if isinstance(known, str):
            return Finding(failed=f"history: {known}")
        return of_history(known, now, rules)

    async def correspondents(
        self, sender: str, recipients: Sequence[str], rules: ReputationPolicy
    ) -> list[Finding]:
        """Return for each recipient what it comes to whether he has written to the sender."""
        keys = [pair_key(recipient, sender) for recipient in recipients]
        known = await self._within(self._store.remembered(keys), rules.answer_seconds)
        if isinstance(known, str):
            return [Finding(failed=f"correspondents: {known}")] * len(keys)
        return [of_correspondent(rules) if each else NOTHING for each in known]

    async def remembered(
        self, subject: str, now: float, rules: HistoryPolicy
    ) -> Sequence[Remembered]:
        """Return what is remembered of somebody, faded to `now`; nothing where the store does not answer."""
        known = await self._known(subject_keys(subject), ASKED_SECONDS)
        if isinstance(known, str):
            return ()
        return [
            _shown(key, faded(record, now, rules.half_life_seconds), record.seen_at)
            for key, record in known
            if record is not None
        ]

    async def _known(self, keys: Sequence[Key], seconds: float) -> list[Known] | str:
        records = await self._within(self._store.read([key.stored for key in keys]), seconds)
        return records if isinstance(records, str) else list(zip(keys, records, strict=True))

    async def _within(self, asking: Awaitable[T], seconds: float) -> T | str:
        """Return the answer, or in one word why there is none."""
        try:
            async with asyncio.timeout(seconds):
                return await asking
        except TimeoutError:
            why = "slow"
        except BusError:
            why = "away"
        self._metrics.store_failures.labels(why).inc()
        return why


def _shown(key: Key, record: Record, seen_at: float) -> Remembered:
    claimed = key.kind in (Kind.SENDER, Kind.DOMAIN) and not key.proven
    text = f"{key.text} (without proof)" if claimed else key.text
    return Remembered(key.kind, text, record.messages, record.spam, record.total_score, seen_at)
