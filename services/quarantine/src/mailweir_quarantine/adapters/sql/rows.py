"""Values to rows and back."""

from typing import Any, Final

from sqlalchemy import Row

from mailweir.events.v1.events_pb2 import JUDGED_KIND_MESSAGE
from mailweir_core.decision import State
from mailweir_quarantine.policy.progress import Progress
from mailweir_quarantine.policy.state import Life
from mailweir_quarantine.policy.text import time_of
from mailweir_quarantine.values import Facts, HeldMail, Record, Summary

Values = dict[str, Any]
UNLISTED: Final = 0
"""`kind` of a message that only delivery has told of: a notification of ours, or an event that came first."""


def life_columns(life: Life) -> Values:
    """Return the columns that a fact or a command may change."""
    return {
        "state": life.state,
        "releases": life.releases,
        "has_body": life.has_body,
        "was_held": life.was_held,
    }


def life_of(row: Row[*tuple[Any, ...]]) -> Life:
    """Return what commands are answered by."""
    return Life(State(row.state), row.releases, row.has_body, row.was_held)


def recorded_row(record: Record, life: Life) -> Values:
    """Return the row of a message whose record has come."""
    return _fact_columns(record.facts, record.subject) | {
        "kind": record.kind,
        "recorded": True,
        **life_columns(life),
    }


def held_row(mail: HeldMail, life: Life) -> Values:
    """Return the row of a message that came into quarantine before its record."""
    return _fact_columns(mail.facts, "") | {
        "kind": JUDGED_KIND_MESSAGE,
        "recorded": False,
        **life_columns(life),
    }


def tracked_row(progress: Progress, life: Life) -> Values:
    """Return the row of a message that delivery told of first."""
    facts = Facts(progress.ref, received_at=time_of(progress.ref, progress.at))
    return _fact_columns(facts, "") | {
        "kind": UNLISTED,
        "recorded": False,
        **life_columns(life),
    }


def body_row(mail: HeldMail, spent_at: float | None) -> Values:
    """Return the row of a held body."""
    return {
        "ref": mail.facts.ref,
        "body_key": mail.body.key,
        "bytes": mail.body.bytes,
        "sha256": mail.body.sha256,
        "shard": mail.shard,
        "mail": mail.mail,
        "spent_at": spent_at,
    }


def recipient_rows(ref: str, accepted: tuple[str, ...], refused: tuple[str, ...]) -> list[Values]:
    """Return a message's recipients as rows, in their order, those that were refused behind."""
    named = [(a, True) for a in accepted] + [(a, False) for a in refused]
    return [
        {
            "ref": ref, "position": position, "accepted": taken,
            "address": address, "address_key": address.casefold(),
        }
        for position, (address, taken) in enumerate(named)
    ]  # fmt: skip


def summary_of(row: Row[*tuple[Any, ...]], recipients: tuple[str, ...]) -> Summary:
    """Return a row as a list shows it."""
    facts = Facts(
        ref=row.ref,
        received_at=row.received_at,
        client_ip=row.client_ip,
        helo=row.helo,
        sender=row.sender,
        recipients=recipients,
        bytes=row.bytes,
        score=row.score,
        action=row.action,
        reason=row.reason,
    )
    return Summary(facts, row.subject, State(row.state))


def _fact_columns(facts: Facts, subject: str) -> Values:
    return {
        "ref": facts.ref,
        "received_at": facts.received_at,
        "client_ip": facts.client_ip,
        "helo": facts.helo,
        "sender": facts.sender,
        "sender_key": facts.sender.casefold(),
        "subject": subject,
        "subject_key": subject.casefold(),
        "bytes": facts.bytes,
        "score": facts.score,
        "action": facts.action,
        "reason": facts.reason,
    }
