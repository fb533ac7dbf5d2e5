"""Protobuf messages to the service's values and back."""

import math

from mailweir.greylist.v1 import greylist_pb2 as pb
from mailweir_greylist.policy.entry import Entry
from mailweir_greylist.policy.question import Question
from mailweir_runtime.convert import client_from_proto, session_from_proto, text


def question_of(item: pb.CheckItem) -> Question:
    """Return the question of an item; a score that is no number is none."""
    score = item.score if item.HasField("score") else None
    return Question(
        session=session_from_proto(item.session),
        client=client_from_proto(item.client),
        sender=item.sender,
        recipients=tuple(item.recipients),
        score=score if score is None or math.isfinite(score) else None,
    )


def entry_to_proto(key: str, entry: Entry) -> pb.Entry:
    """Return the message of an entry; its key is its id."""
    return pb.Entry(
        id=key,
        state=entry.state,
        client=text(entry.client),
        sender=text(entry.sender),
        recipient=text(entry.recipient),
        first_at=entry.first_at,
        last_at=entry.last_at,
        due_at=entry.due_at,
        expires_at=entry.expires_at,
        attempts=entry.attempts,
        passes=entry.passes,
        authorised_by=text(entry.by),
    )
