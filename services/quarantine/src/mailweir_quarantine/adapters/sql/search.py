"""Lists: by keyset, newest first, so that the thousandth page costs what the first one does."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_quarantine.adapters.sql.rows import UNLISTED, summary_of
from mailweir_quarantine.adapters.sql.tables import message_recipients, messages
from mailweir_quarantine.policy.cursor import Position, encode
from mailweir_quarantine.policy.search import Filter
from mailweir_quarantine.values import Page, Summary


async def search(connection: AsyncConnection, wanted: Filter) -> Page:
    """Return a page of records."""
    query = (
        select(messages)
        .where(messages.c.kind > UNLISTED, *_conditions(wanted))
        .order_by(messages.c.received_at.desc(), messages.c.ref.desc())
        .limit(wanted.limit + 1)
    )
    rows = (await connection.execute(query)).all()
    named = await recipients(connection, [row.ref for row in rows[: wanted.limit]])
    items = tuple(summary_of(row, named.get(row.ref, ())) for row in rows[: wanted.limit])
    return Page(items, _next(items) if len(rows) > wanted.limit else "")


def _next(items: tuple[Summary, ...]) -> str:
    last = items[-1].facts
    return encode(Position(last.received_at, last.ref))


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    columns = messages.c
    found: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (columns.action, wanted.action),
            (columns.state, wanted.state),
            (columns.reason, wanted.reason),
        )
        if value is not None
    ]
    found += [
        column.contains(text.casefold(), autoescape=True)
        for column, text in (
            (columns.sender_key, wanted.sender),
            (columns.subject_key, wanted.subject),
        )
        if text
    ]
    if wanted.recipient:
        found.append(_has_recipient(wanted.recipient))
    if wanted.since is not None:
        found.append(columns.received_at >= wanted.since)
    if wanted.until is not None:
        found.append(columns.received_at < wanted.until)
    if wanted.start is not None:
        here = tuple_(columns.received_at, columns.ref)
        found.append(here < tuple_(wanted.start.received_at, wanted.start.ref))
    return found


def _has_recipient(text: str) -> ColumnElement[bool]:
    named = message_recipients.c
    return exists().where(
        named.ref == messages.c.ref, named.address_key.contains(text.casefold(), autoescape=True)
    )


async def recipients(
    connection: AsyncConnection, refs: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the accepted recipients of messages, by ref, in their order."""
    columns = message_recipients.c
    query = (
        select(columns.ref, columns.address)
        .where(columns.ref.in_(refs), columns.accepted)
        .order_by(columns.ref, columns.position)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for ref, address in await connection.execute(query):
        found[ref].append(address)
    return {ref: tuple(addresses) for ref, addresses in found.items()}
