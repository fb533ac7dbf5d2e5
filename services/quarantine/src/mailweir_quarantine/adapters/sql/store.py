"""The record store on SQLite or PostgreSQL. Each method is one transaction.

Everything known of one message hangs on its row in `messages`: a transaction that changes anything of a
message locks that row first, several rows in the order of their refs, so events of one message that arrive
at two processes are applied one after the other and nobody waits in a circle.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_core.decision import State
from mailweir_quarantine.adapters.events import progress_from
from mailweir_quarantine.adapters.sql import commands, intake, retention, search as lists
from mailweir_quarantine.adapters.sql.rows import summary_of
from mailweir_quarantine.adapters.sql.tables import held, message_details, messages, outbox
from mailweir_quarantine.policy.progress import Progress
from mailweir_quarantine.policy.search import Filter
from mailweir_quarantine.policy.state import Command
from mailweir_quarantine.values import (
    Counts,
    Explained,
    HeldMail,
    Outgoing,
    Page,
    Record,
    Result,
)
from mailweir_runtime.bus.ports import StoredBody
from mailweir_runtime.sql import Database


class SqlRecords:
    """See `ports.RecordStore`."""

    def __init__(self, database: Database) -> None:
        """Take an open database with the newest schema."""
        self._db = database

    async def record(self, records: Sequence[Record]) -> int:
        """Write records; returns how many were not there before."""
        async with self._db.writing() as connection:
            return await intake.record(connection, records)

    async def hold(self, mails: Sequence[HeldMail], now: float) -> None:
        """Note that messages' bodies are in our store."""
        async with self._db.writing() as connection:
            await intake.hold(connection, mails, now)

    async def track(self, events: Sequence[Progress], now: float) -> None:
        """Note where delivery of messages stands."""
        async with self._db.writing() as connection:
            await intake.track(connection, events, now)

    async def search(self, wanted: Filter) -> Page:
        """Return a page of records, newest first."""
        async with self._db.reading() as connection:
            return await lists.search(connection, wanted)

    async def get(self, ref: str) -> Explained | None:
        """Return one record, or None where nothing is known of it."""
        details = message_details.c
        query = (
            select(messages, details.judged, details.delivery)
            .outerjoin(message_details, details.ref == messages.c.ref)
            .where(messages.c.ref == ref)
        )
        async with self._db.reading() as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                return None
            named = await lists.recipients(connection, [ref])
        progress = progress_from(row.delivery) if row.delivery is not None else None
        return Explained(summary_of(row, named.get(ref, ())), row.judged, progress)

    async def body(self, ref: str) -> StoredBody | None:
        """Return where a held message's body lies, or None where there is none."""
        columns = held.c
        query = select(columns.body_key, columns.bytes, columns.sha256).where(columns.ref == ref)
        async with self._db.reading() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else StoredBody(row.body_key, row.bytes, row.sha256)

    async def command(self, refs: Sequence[str], asked: Command, now: float) -> list[Result]:
        """Carry a command out, for each message by its own state."""
        async with self._db.writing() as connection:
            return await commands.command(connection, refs, asked, now)

    async def outbox(self, most: int, refs: Sequence[str] = ()) -> list[Outgoing]:
        """Return released messages that wait to be handed over, oldest first."""
        async with self._db.reading() as connection:
            return await commands.waiting(connection, most, refs)

    async def handed_over(self, ref: str, release: int) -> None:
        """Take a message out of the outbox."""
        async with self._db.writing() as connection:
            await commands.handed_over(connection, ref, release)

    async def expired(self, received_before: float, most: int) -> list[str]:
        """Return the refs of held messages that were received before a time, oldest first."""
        async with self._db.reading() as connection:
            return await commands.expired(connection, received_before, most)

    async def spent_bodies(
        self, before: float, most: int, refs: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """Return (ref, body key) of messages that have needed no body since `before`."""
        async with self._db.reading() as connection:
            return await retention.spent_bodies(connection, before, most, refs)

    async def forget_bodies(self, refs: Sequence[str]) -> None:
        """Note that messages' bodies have been removed."""
        async with self._db.writing() as connection:
            await retention.forget_bodies(connection, refs)

    async def purge(self, received_before: float, most: int, now: float) -> int:
        """Delete records that were received before a time and hold no body; returns how many."""
        async with self._db.writing() as connection:
            return await retention.purge(connection, received_before, most, now)

    async def counts(self) -> Counts:
        """Return how many records there are."""
        async with self._db.reading() as connection:
            return Counts(
                by_state=await _count_by(connection, "state"),
                by_action=await _count_by(connection, "action"),
            )

    async def waiting(self) -> tuple[int, int]:
        """Return how many messages are held, and how many wait in the outbox."""
        held_now = select(func.count()).where(messages.c.state == State.HELD)
        async with self._db.reading() as connection:
            in_outbox = await connection.scalar(select(func.count()).select_from(outbox))
            return await connection.scalar(held_now) or 0, in_outbox or 0


async def _count_by(connection: AsyncConnection, column: str) -> dict[str, int]:
    named = messages.c[column]
    query = select(named, func.count()).group_by(named)  # answered from the column's index alone
    return {name: count for name, count in await connection.execute(query) if name}
