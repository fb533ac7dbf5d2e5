"""The record store in memory, for unit tests: the same contract, no database."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mailweir_core.decision import State
from mailweir_quarantine.policy.cursor import Position, encode
from mailweir_quarantine.policy.progress import Progress, merge, track
from mailweir_quarantine.policy.search import Filter
from mailweir_quarantine.policy.state import (
    FINAL,
    Command,
    Life,
    command,
    recorded,
    supersedes,
    taken_in,
)
from mailweir_quarantine.policy.text import time_of
from mailweir_quarantine.values import (
    Counts,
    Explained,
    Facts,
    HeldMail,
    Outgoing,
    Page,
    Record,
    Result,
    Summary,
)
from mailweir_runtime.bus.ports import StoredBody
from mailweir_runtime.sql import SqlError


@dataclass(slots=True)
class _Row:
    facts: Facts
    life: Life = field(default_factory=Life)
    listed: bool = False
    subject: str = ""
    refused: tuple[str, ...] = ()
    judged: bytes | None = None
    progress: Progress | None = None
    held: HeldMail | None = None
    spent_at: float | None = None

    @property
    def summary(self) -> Summary:
        return Summary(self.facts, self.subject, self.life.state)


class MemoryRecords:
    """See `ports.RecordStore`. Set `outage` to an exception to have every call raise it."""

    def __init__(self) -> None:
        """Begin empty."""
        self.outage: SqlError | None = None
        self._rows: dict[str, _Row] = {}
        self._outbox: dict[tuple[str, int], float] = {}

    def _check(self) -> None:
        if self.outage is not None:
            raise self.outage

    async def record(self, records: Sequence[Record]) -> int:
        """Write records; returns how many were not there before."""
        self._check()
        written = 0
        for record in records:
            row = self._rows.setdefault(record.facts.ref, _Row(record.facts))
            if row.judged is None or supersedes(row.life, record.facts.action):
                row.life = recorded(row.life, record.facts.action)
                row.facts, row.listed = record.facts, True
                row.subject, row.refused, row.judged = record.subject, record.refused, record.judged
                written += 1
        return written

    async def hold(self, mails: Sequence[HeldMail], now: float) -> None:
        """Note that messages' bodies are in our store."""
        self._check()
        for mail in mails:
            row = self._rows.setdefault(mail.facts.ref, _Row(mail.facts, listed=True))
            if not row.listed:
                row.facts, row.listed = mail.facts, True
            row.held = row.held or mail
            self._live(row, taken_in(row.life), now)

    async def track(self, events: Sequence[Progress], now: float) -> None:
        """Note where delivery of messages stands."""
        self._check()
        for event in events:
            facts = Facts(event.ref, time_of(event.ref, event.at))
            row = self._rows.setdefault(event.ref, _Row(facts))
            row.progress = merge(row.progress, event)
            self._live(row, track(row.life, row.progress), now)

    def _live(self, row: _Row, life: Life, now: float) -> None:
        row.life = life
        if life.has_body and life.state in FINAL and row.spent_at is None:
            row.spent_at = now

    async def search(self, wanted: Filter) -> Page:
        """Return a page of records, newest first."""
        self._check()
        found = [row for row in self._rows.values() if row.listed and _matches(row, wanted)]
        found.sort(key=lambda row: (row.facts.received_at, row.facts.ref), reverse=True)
        items = tuple(row.summary for row in found[: wanted.limit])
        if len(found) <= wanted.limit:
            return Page(items)
        last = items[-1].facts
        return Page(items, encode(Position(last.received_at, last.ref)))

    async def get(self, ref: str) -> Explained | None:
        """Return one record, or None where nothing is known of it."""
        self._check()
        row = self._rows.get(ref)
        return None if row is None else Explained(row.summary, row.judged, row.progress)

    async def body(self, ref: str) -> StoredBody | None:
        """Return where a held message's body lies, or None where there is none."""
        self._check()
        row = self._rows.get(ref)
        return None if row is None or row.held is None else row.held.body

    async def command(self, refs: Sequence[str], asked: Command, now: float) -> list[Result]:
        """Carry a command out, for each message by its own state."""
        self._check()
        return [self._command(ref, asked, now) for ref in refs]

    def _command(self, ref: str, asked: Command, now: float) -> Result:
        row = self._rows.get(ref)
        answer = command(row.life if row else Life(), asked)
        if row is not None and answer.effect:
            self._live(row, answer.life, now)
            if asked is Command.RELEASE:
                self._outbox[ref, answer.life.releases] = now
        return Result(ref, answer.life.state, answer.done, answer.effect, answer.detail)

    async def outbox(self, most: int, refs: Sequence[str] = ()) -> list[Outgoing]:
        """Return released messages that wait to be handed over, oldest first."""
        self._check()
        oldest = sorted(self._outbox, key=lambda key: (self._outbox[key], key))
        found = [
            Outgoing(ref, release, mail.body, mail.shard, mail.mail)
            for ref, release in oldest
            if (mail := self._rows[ref].held) is not None and (not refs or ref in refs)
        ]
        return found[:most]

    async def handed_over(self, ref: str, release: int) -> None:
        """Take a message out of the outbox."""
        self._check()
        self._outbox.pop((ref, release), None)

    async def expired(self, received_before: float, most: int) -> list[str]:
        """Return the refs of held messages that were received before a time, oldest first."""
        self._check()
        return [
            row.facts.ref for row in self._oldest(received_before) if row.life.state is State.HELD
        ][:most]

    async def spent_bodies(
        self, before: float, most: int, refs: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """Return (ref, body key) of messages that have needed no body since `before`."""
        self._check()
        return [
            (ref, row.held.body.key)
            for ref, row in self._rows.items()
            if row.held and row.spent_at is not None and row.spent_at <= before
            and (not refs or ref in refs)
        ][:most]  # fmt: skip

    async def forget_bodies(self, refs: Sequence[str]) -> None:
        """Note that messages' bodies have been removed."""
        self._check()
        for row in (self._rows[ref] for ref in refs if ref in self._rows):
            row.held = row.spent_at = None
            row.life = replace(row.life, has_body=False)
        self._outbox = {key: at for key, at in self._outbox.items() if key[0] not in refs}

    async def purge(self, received_before: float, most: int, now: float) -> int:
        """Delete records that were received before a time and hold no body; returns how many."""
        self._check()
        waiting = {ref for ref, _ in self._outbox}
        old = [
            row
            for row in self._oldest(received_before)
            if row.life.state is not State.HELD and row.facts.ref not in waiting
        ][:most]
        for row in old:
            if row.held is not None and row.spent_at is None:
                row.spent_at = now
        gone = [row.facts.ref for row in old if not row.life.has_body]
        for ref in gone:
            del self._rows[ref]
        return len(gone)

    def _oldest(self, received_before: float) -> list[_Row]:
        old = [row for row in self._rows.values() if row.facts.received_at < received_before]
        return sorted(old, key=lambda row: (row.facts.received_at, row.facts.ref))

    async def counts(self) -> Counts:
        """Return how many records there are."""
        self._check()
        rows = self._rows.values()
        return Counts(
            by_state=dict(Counter(row.life.state.value for row in rows if row.life.state)),
            by_action=dict(Counter(row.facts.action for row in rows if row.facts.action)),
        )

    async def waiting(self) -> tuple[int, int]:
        """Return how many messages are held, and how many wait in the outbox."""
        self._check()
        held = sum(row.life.state is State.HELD for row in self._rows.values())
        return held, len(self._outbox)


def _matches(row: _Row, wanted: Filter) -> bool:
    facts = row.facts
    start = wanted.start
    return (
        wanted.action in (None, facts.action)
        and wanted.state in (None, row.life.state)
        and wanted.reason in (None, facts.reason)
        and _within(wanted.sender, facts.sender)
        and _within(wanted.subject, row.subject)
        and (not wanted.recipient or _any_within(wanted.recipient, facts.recipients + row.refused))
        and (wanted.since is None or facts.received_at >= wanted.since)
        and (wanted.until is None or facts.received_at < wanted.until)
        and (start is None or (facts.received_at, facts.ref) < (start.received_at, start.ref))
    )


def _within(part: str, text: str) -> bool:
    return part.casefold() in text.casefold()


def _any_within(part: str, texts: tuple[str, ...]) -> bool:
    return any(_within(part, text) for text in texts)
