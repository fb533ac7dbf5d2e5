"""What is said to, counted and recorded of clients that are turned away before there is a session.

A flood of them must cost next to nothing: one record stands for all of a client's connections of a minute
that were turned away for the same reason, and they share the reference that their replies name.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.decision import Decision
from mailweir_core.ids import new_ulid
from mailweir_core.outcome import Outcome
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope
from mailweir_ingress.metrics import Phase
from mailweir_ingress.ports import Record, RecordKind
from mailweir_ingress.smtp.guest import Caller
from mailweir_ingress.smtp.house import House

WINDOW_SECONDS: Final = 60.0
"""One record for a client and reason in so long."""
SWEEP_SECONDS: Final = 5.0
MAX_ENTRIES: Final = 4096
"""Clients and reasons that are told apart at a time; the one that came first goes first."""
RECORDS_A_SECOND: Final = 5.0
"""Each is a write to disk that somebody's mail waits for: what is due comes later, and stands for more."""
RECORDS_AT_ONCE: Final = 50


@dataclass(slots=True)
class _Entry:
    caller: Caller
    decision: Decision
    outcomes: tuple[Outcome, ...]
    since: float
    ref: str = ""
    line: bytes = b""
    count: int = 0  # connections since the last record


class TurnedAway:
    """Counts clients that were turned away; one for the process."""

    def __init__(self, house: House) -> None:
        """Begin with none."""
        self._house = house
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._tokens = float(RECORDS_AT_ONCE)
        self._counted = house.clock.monotonic()

    def __len__(self) -> int:
        """Return how many clients and reasons are told apart now."""
        return len(self._entries)

    def reply(
        self,
        caller: Caller,
        decision: Decision,
        outcomes: tuple[Outcome, ...] = (),
        detail: str = "",
    ) -> bytes:
        """Count a connection; returns the reply with its CRLF and with the reference of its record."""
        house = self._house
        house.metrics.refusals[Phase.CONNECT, decision.reason].inc()
        house.metrics.replies[decision.reply.code // 100].inc()
        key = (caller.key or caller.proxy_ip, decision.reason)
        entry = self._entries.get(key)
        if entry is None:
            said = replace(decision, detail=detail or decision.detail)
            return self._begin(key, _Entry(caller, said, outcomes, house.clock.now()))
        if not entry.count:
            self._name(entry)
        entry.count += 1
        return entry.line

    def _begin(self, key: tuple[str, str], entry: _Entry) -> bytes:
        """Take in the first connection of a client, and record it at once if there is room for that."""
        self._name(entry)
        entry.count = 1
        self._entries[key] = entry
        if self._may_record():
            self._record(entry, entry.since)
            if entry.decision.reason is Reason.BAD_PROXY:
                self._warn(entry)
        if len(self._entries) > MAX_ENTRIES:
            _, oldest = self._entries.popitem(last=False)
            self._house.metrics.gate.unrecorded.inc(oldest.count)
        return entry.line

    def _may_record(self) -> bool:
        """Say whether one more record is not too much, and count it if it is not."""
        now = self._house.clock.monotonic()
        came = (now - self._counted) * RECORDS_A_SECOND
        self._tokens, self._counted = min(self._tokens + came, float(RECORDS_AT_ONCE)), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _name(self, entry: _Entry) -> None:
        entry.ref = new_ulid(self._house.clock.now())
        line = entry.decision.reply.line(entry.ref)
        entry.line = line.encode("utf-8", "replace") + b"\r\n"

    def sweep(self) -> None:
        """Record what has come in windows that are over; forget who has not come again."""
        now = self._house.clock.now()
        for key, entry in self._over(now):
            if entry.count and not self._may_record():
                return  # the others' turn comes
            del self._entries[key]
            if entry.count:
                self._record(entry, now)
                entry.since = now
                self._entries[key] = entry

    def _over(self, now: float) -> Iterable[tuple[tuple[str, str], _Entry]]:
        found = []
        for key, entry in self._entries.items():
            if now - entry.since < WINDOW_SECONDS:
                break
            found.append((key, entry))
        return found

    async def sweep_forever(self) -> None:
        """Sweep every few seconds; runs until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    def flush(self) -> None:
        """Record what is not recorded yet, as much as is not too much, for the end of the process."""
        now = self._house.clock.now()
        for entry in self._entries.values():
            if entry.count and self._may_record():
                self._record(entry, now)
            self._house.metrics.gate.unrecorded.inc(entry.count)
        self._entries.clear()

    def _record(self, entry: _Entry, now: float) -> None:
        count, entry.count = entry.count, 0
        self._house.keeper.note(self._made(entry, count, now))

    def _made(self, entry: _Entry, count: int, now: float) -> Record:
        rules = self._house.rules()
        decision = entry.decision
        if count > 1:
            text = f"{count} connections in {now - entry.since:.0f} s"
            decision = replace(decision, detail=f"{decision.detail}; {text}".lstrip("; "))
        trusted = entry.caller.client in rules.trusted
        session = entry.caller.session(entry.ref, now, trusted=trusted)
        return Record(
            kind=RecordKind.SESSION,
            envelope=Envelope(entry.ref, session, "", (), now),
            decision=decision,
            reply=decision.reply.line(entry.ref),
            judged_at=now,
            config_version=rules.version,
            checks=entry.outcomes,
            count=count,
        )

    def _warn(self, entry: _Entry) -> None:
        self._house.log.warning(
            "proxy_mistake",
            ref=entry.ref,
            client_ip=entry.caller.ip,
            proxy_ip=entry.caller.proxy_ip,
            detail=entry.decision.reply.text,
        )
