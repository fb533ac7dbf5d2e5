"""What may be searched for, with its bounds."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from mailweir_core.decision import Action, State
from mailweir_core.reasons import Reason
from mailweir_quarantine.policy.cursor import Position, decode

E = TypeVar("E", bound=StrEnum)
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_TEXT: Final = 256
"""Longest text that is searched for, in characters."""
MAX_IDS: Final = 500
"""Most messages that one command may name."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter over records; what is None or empty does not filter. Texts match a part, in any case.

    `since` inclusive, `until` exclusive, seconds since the epoch.
    """

    limit: int = DEFAULT_LIMIT
    start: Position | None = None
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    action: Action | None = None
    state: State | None = None
    reason: Reason | None = None
    since: float | None = None
    until: float | None = None


class BadSearch(ValueError):
    """Raised for a search that cannot be meant; the text says what is wrong."""


def checked(  # noqa: PLR0913 - one argument per field of the request
    *,
    limit: int = 0,
    cursor: str = "",
    sender: str = "",
    recipient: str = "",
    subject: str = "",
    action: str = "",
    state: str = "",
    reason: str = "",
    since: float = 0.0,
    until: float = 0.0,
) -> Filter:
    """Return the filter that a request asks for; raises BadSearch. Empty texts and zeros do not filter."""
    start = decode(cursor) if cursor else None
    if cursor and start is None:
        raise BadSearch("cursor: not one that this service gave out")
    for name, text in (("sender", sender), ("recipient", recipient), ("subject", subject)):
        if len(text) > MAX_TEXT:
            raise BadSearch(f"{name}: longer than {MAX_TEXT} characters")
        if "\0" in text:  # no stored text has one, and not every database takes the question
            raise BadSearch(f"{name}: a NUL cannot be searched for")
    if not (math.isfinite(since) and math.isfinite(until)):
        raise BadSearch("since, until: not a time")
    return Filter(
        limit=min(limit, MAX_LIMIT) if limit > 0 else DEFAULT_LIMIT,
        start=start,
        sender=sender,
        recipient=recipient,
        subject=subject,
        action=_member(Action, action, "action"),
        state=_member(State, state, "state"),
        reason=_member(Reason, reason, "reason"),
        since=since or None,
        until=until or None,
    )


def _member(kind: type[E], text: str, name: str) -> E | None:
    try:
        return kind(text) if text else None
    except ValueError as error:
        raise BadSearch(f"{name}: unknown value") from error
