"""What the streams tell: records, held mail, delivery's progress."""

from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailweir_quarantine.adapters.events import progress_from, progress_to
from mailweir_quarantine.adapters.sql.rows import (
    Values,
    body_row,
    held_row,
    recipient_rows,
    recorded_row,
    tracked_row,
)
from mailweir_quarantine.adapters.sql.statements import (
    delete_refs,
    insert_missing,
    lock,
    update_lives,
    update_messages,
    upsert,
    write_detail,
)
from mailweir_quarantine.adapters.sql.tables import (
    held,
    message_details,
    message_recipients,
)
from mailweir_quarantine.policy.progress import Progress, merge, track as tracked
from mailweir_quarantine.policy.state import FINAL, Life, recorded, supersedes, taken_in
from mailweir_quarantine.values import HeldMail, Record


async def record(connection: AsyncConnection, records: Sequence[Record]) -> int:
    """Write records; returns how many were not there before."""
    by_ref: dict[str, Record] = {}
    for one in records:  # of two with one ref the first stays, unless the second takes it back
        first = by_ref.setdefault(one.facts.ref, one)
        if supersedes(recorded(Life(), first.facts.action), one.facts.action):
            by_ref[one.facts.ref] = one
    ordered = [by_ref[ref] for ref in sorted(by_ref)]
    fresh = [recorded_row(r, recorded(Life(), r.facts.action)) for r in ordered]
    inserted = await insert_missing(connection, fresh)
    filled = await _fill_in(connection, [r for r in ordered if r.facts.ref not in inserted])
    written = [r for r in ordered if r.facts.ref in inserted or r.facts.ref in filled]
    details = [{"ref": r.facts.ref, "judged": r.judged} for r in written]
    await write_detail(connection, "judged", details)
    await _write_recipients(
        connection,
        [
            row
            for r in written
            for row in recipient_rows(r.facts.ref, r.facts.recipients, r.refused)
        ],
    )
    return len(written)


async def _fill_in(connection: AsyncConnection, records: Sequence[Record]) -> set[str]:
    """Complete messages that another stream told of first; returns their refs."""
    if not records:
        return set()
    known = await lock(connection, [r.facts.ref for r in records])
    open_ones = [
        r
        for r in records
        if not known[r.facts.ref][1].recorded or supersedes(known[r.facts.ref][0], r.facts.action)
    ]
    rows = [recorded_row(r, recorded(known[r.facts.ref][0], r.facts.action)) for r in open_ones]
    await update_messages(connection, rows)
    refs = [r.facts.ref for r in open_ones]
    await delete_refs(connection, message_recipients, refs)  # those that `hold` knew
    return set(refs)


async def hold(connection: AsyncConnection, mails: Sequence[HeldMail], now: float) -> None:
    """Note that messages' bodies are in our store."""
    by_ref = {mail.facts.ref: mail for mail in mails}
    ordered = [by_ref[ref] for ref in sorted(by_ref)]
    inserted = await insert_missing(connection, [held_row(m, taken_in(Life())) for m in ordered])
    lives = await _take_in(connection, [m for m in ordered if m.facts.ref not in inserted])
    rows = [
        body_row(mail, now if (life := lives.get(mail.facts.ref)) and life.state in FINAL else None)
        for mail in ordered
    ]
    if rows:
        await connection.execute(upsert(connection, held).on_conflict_do_nothing(), rows)
    listed = [m for m in ordered if m.facts.ref in inserted]
    await _write_recipients(
        connection,
        [row for m in listed for row in recipient_rows(m.facts.ref, m.facts.recipients, ())],
    )
    await update_lives(connection, lives, now)


async def _take_in(connection: AsyncConnection, mails: Sequence[HeldMail]) -> dict[str, Life]:
    if not mails:
        return {}
    known = await lock(connection, [m.facts.ref for m in mails])
    return {ref: taken_in(life) for ref, (life, _) in known.items()}


async def track(connection: AsyncConnection, events: Sequence[Progress], now: float) -> None:
    """Note where delivery of messages stands."""
    newest: dict[str, Progress] = {}
    for event in events:
        newest[event.ref] = merge(newest.get(event.ref), event)
    known = {ref: life for ref, (life, _) in (await lock(connection, newest)).items()}
    unknown = sorted(newest.keys() - known.keys())
    inserted = await insert_missing(
        connection, [tracked_row(newest[ref], tracked(Life(), newest[ref])) for ref in unknown]
    )
    late = [ref for ref in unknown if ref not in inserted]  # another process was faster
    if late:
        known |= {ref: life for ref, (life, _) in (await lock(connection, late)).items()}
    stored = await _stored_progress(connection, sorted(known))
    merged = {ref: merge(stored.get(ref), event) for ref, event in newest.items()}
    changed = {ref: m for ref, m in merged.items() if m != stored.get(ref)}
    lives = {ref: tracked(known[ref], m) for ref, m in changed.items() if ref in known}
    await update_lives(connection, lives, now)
    await write_detail(
        connection, "delivery", [_detail(ref, changed[ref]) for ref in sorted(changed)]
    )


def _detail(ref: str, progress: Progress) -> Values:
    return {"ref": ref, "delivery": progress_to(progress).SerializeToString()}


async def _stored_progress(connection: AsyncConnection, refs: Sequence[str]) -> dict[str, Progress]:
    columns = message_details.c
    query = select(columns.ref, columns.delivery).where(
        columns.ref.in_(refs), columns.delivery.is_not(None)
    )
    rows = await connection.execute(query)
    return {ref: progress_from(delivery) for ref, delivery in rows}


async def _write_recipients(connection: AsyncConnection, rows: Sequence[Values]) -> None:
    if rows:
        await connection.execute(insert(message_recipients), list(rows))
