"""What people ask for, and what waits to be handed over because of it."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_core.decision import State
from mailweir_quarantine.adapters.sql.statements import lock, update_lives
from mailweir_quarantine.adapters.sql.tables import held, messages, outbox
from mailweir_quarantine.policy.state import Command, Life, command as answer_to
from mailweir_quarantine.policy.text import is_storable_ref
from mailweir_quarantine.values import Outgoing, Result
from mailweir_runtime.bus.ports import StoredBody


async def command(
    connection: AsyncConnection, refs: Sequence[str], asked: Command, now: float
) -> list[Result]:
    """Carry a command out, for each message by its own state; one result per ref, in order."""
    known = await lock(connection, {ref for ref in refs if is_storable_ref(ref)})
    lives = {ref: life for ref, (life, _) in known.items()}
    changed: dict[str, Life] = {}
    results = []
    for ref in refs:
        answer = answer_to(lives.get(ref, Life()), asked)
        if answer.effect:
            lives[ref] = changed[ref] = answer.life
        results.append(Result(ref, answer.life.state, answer.done, answer.effect, answer.detail))
    await update_lives(connection, changed, now)
    if asked is Command.RELEASE and changed:
        rows = [
            {"ref": ref, "release": changed[ref].releases, "created_at": now}
            for ref in sorted(changed)
        ]
        await connection.execute(insert(outbox), rows)
    return results


async def waiting(connection: AsyncConnection, most: int, refs: Sequence[str]) -> list[Outgoing]:
    """Return released messages that wait to be handed over, oldest first; only `refs`, if given."""
    columns = held.c
    query = (
        select(
            outbox.c.ref, outbox.c.release, columns.body_key, columns.bytes, columns.sha256,
            columns.shard, columns.mail,
        )
        .join(held, held.c.ref == outbox.c.ref)
        .order_by(outbox.c.created_at, outbox.c.ref)
        .limit(most)
    )  # fmt: skip
    if refs:
        query = query.where(outbox.c.ref.in_(refs))
    return [
        Outgoing(
            ref=row.ref,
            release=row.release,
            body=StoredBody(row.body_key, row.bytes, row.sha256),
            shard=row.shard,
            mail=row.mail,
        )
        for row in await connection.execute(query)
    ]


async def handed_over(connection: AsyncConnection, ref: str, release: int) -> None:
    """Take a message out of the outbox."""
    columns = outbox.c
    await connection.execute(delete(outbox).where(columns.ref == ref, columns.release == release))


async def expired(connection: AsyncConnection, received_before: float, most: int) -> list[str]:
    """Return the refs of held messages that were received before a time, oldest first."""
    columns = messages.c
    query = (
        select(columns.ref)
        .where(columns.state == State.HELD, columns.received_at < received_before)
        .order_by(columns.received_at, columns.ref)
        .limit(most)
    )
    return list(await connection.scalars(query))
