"""The statements that the store's transactions are made of."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_quarantine.adapters.sql.rows import Values, life_columns, life_of
from mailweir_quarantine.adapters.sql.tables import held, message_details, messages
from mailweir_quarantine.policy.state import FINAL, Life

UpsertInsert = sqlite.Insert | postgresql.Insert


def upsert(connection: AsyncConnection, table: Table) -> UpsertInsert:
    """Return the insert of the connection's dialect, which knows ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


async def insert_missing(connection: AsyncConnection, rows: Sequence[Values]) -> set[str]:
    """Insert the messages that are not there yet; returns their refs.

    On PostgreSQL a row that another transaction is inserting is waited for, so what is not returned is there.
    """
    if not rows:
        return set()
    statement = upsert(connection, messages).on_conflict_do_nothing().returning(messages.c.ref)
    return set((await connection.scalars(statement, list(rows))).all())


async def lock(connection: AsyncConnection, refs: Iterable[str]) -> dict[str, tuple[Life, Any]]:
    """Lock the messages that there are, in one order for all; returns life and row by ref."""
    columns = messages.c
    query = (
        select(
            columns.ref, columns.kind, columns.recorded, columns.state, columns.releases,
            columns.has_body, columns.was_held,
        )
        .where(columns.ref.in_(sorted(refs)))
        .order_by(columns.ref)
        .with_for_update()
    )  # fmt: skip
    return {row.ref: (life_of(row), row) for row in await connection.execute(query)}


async def update_messages(connection: AsyncConnection, rows: Sequence[Values]) -> None:
    """Update messages by their `ref`; every row names the same columns."""
    if not rows:
        return
    names = [name for name in rows[0] if name != "ref"]
    statement = (
        update(messages)
        .where(messages.c.ref == bindparam("_ref"))
        .values({name: bindparam(name) for name in names})
    )
    renamed = [{"_ref" if key == "ref" else key: row[key] for key in row} for row in rows]
    await connection.execute(statement, renamed)


async def update_lives(connection: AsyncConnection, lives: dict[str, Life], now: float) -> None:
    """Write changed lives; the body of a message that has come to its end is spent from `now` on."""
    rows = [{"ref": ref, **life_columns(lives[ref])} for ref in sorted(lives)]
    await update_messages(connection, rows)
    spent = [ref for ref, life in lives.items() if life.has_body and life.state in FINAL]
    await spend(connection, spent, now)


async def spend(connection: AsyncConnection, refs: Sequence[str], now: float) -> None:
    """Note that nobody needs the bodies of these messages from `now` on."""
    if refs:
        statement = update(held).where(held.c.ref.in_(refs), held.c.spent_at.is_(None))
        await connection.execute(statement.values(spent_at=now))


async def write_detail(connection: AsyncConnection, column: str, rows: Sequence[Values]) -> None:
    """Write one column of the details, whether or not there is a row."""
    if rows:
        statement = upsert(connection, message_details)
        changed = {column: statement.excluded[column]}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["ref"], set_=changed), list(rows)
        )


async def delete_refs(connection: AsyncConnection, table: Table, refs: Sequence[str]) -> None:
    """Delete the rows of these messages from one table."""
    if refs:
        await connection.execute(delete(table).where(table.c.ref.in_(refs)))
