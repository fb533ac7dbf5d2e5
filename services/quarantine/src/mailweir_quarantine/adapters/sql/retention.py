"""What goes: bodies that nobody needs, records that are too old."""

from collections.abc import Sequence

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_core.decision import State
from mailweir_quarantine.adapters.sql.statements import delete_refs, lock, spend
from mailweir_quarantine.adapters.sql.tables import (
    held,
    message_details,
    message_recipients,
    messages,
    outbox,
)


async def spent_bodies(
    connection: AsyncConnection, before: float, most: int, refs: Sequence[str]
) -> list[tuple[str, str]]:
    """Return (ref, body key) of messages that have needed no body since `before`."""
    query = (
        select(held.c.ref, held.c.body_key)
        .where(held.c.spent_at <= before)
        .order_by(held.c.spent_at)
        .limit(most)
    )
    if refs:
        query = query.where(held.c.ref.in_(refs))
    return [(ref, key) for ref, key in await connection.execute(query)]


async def forget_bodies(connection: AsyncConnection, refs: Sequence[str]) -> None:
    """Note that messages' bodies have been removed."""
    await lock(connection, refs)
    await delete_refs(connection, held, refs)
    await delete_refs(connection, outbox, refs)
    await connection.execute(
        update(messages).where(messages.c.ref.in_(refs)).values(has_body=False)
    )


async def purge(connection: AsyncConnection, received_before: float, most: int, now: float) -> int:
    """Delete old records that hold no body; give the bodies of the others up. Held messages stay."""
    columns = messages.c
    waits = exists().where(outbox.c.ref == columns.ref)
    query = (
        select(columns.ref, columns.has_body)
        .where(columns.received_at < received_before, columns.state != State.HELD, ~waits)
        .order_by(columns.received_at, columns.ref)
        .limit(most)
        .with_for_update(of=messages)
    )
    rows = (await connection.execute(query)).all()
    await spend(connection, [ref for ref, has_body in rows if has_body], now)
    gone = [ref for ref, has_body in rows if not has_body]
    for table in (message_recipients, message_details, messages):
        await delete_refs(connection, table, gone)
    return len(gone)
