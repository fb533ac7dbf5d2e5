"""The Date field beside the time at which the message was received."""

from collections.abc import Iterator
from typing import Final

from mailweir_mail import parse_date
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

FUTURE_SECONDS: Final = 4 * 3600.0
"""Clocks are wrong, and so are time zones: up to here nothing is meant by it."""
PAST_SECONDS: Final = 5 * 86_400.0
"""The queue of an honest server gives up after five days (RFC 5321 §4.5.4.1)."""
NEWEST_HOPS: Final = 3
"""Received fields, from the top, in which a date is looked for."""


@check("DATE_INVALID", "DATE_FUTURE", "DATE_PAST")
def date(facts: Facts) -> Iterator[Hit]:
    """A date that cannot be read, or lies far from the receipt."""
    field = facts.message.headers.first("date")
    if field is None:
        return
    written = facts.message.date
    if written is None:
        yield Hit("DATE_INVALID", field.text)
        return
    received = _received_at(facts)
    if received is None:
        return
    ahead = written.timestamp() - received
    if ahead > FUTURE_SECONDS:
        yield Hit("DATE_FUTURE", f"{ahead / 3600:.0f} hours after its receipt")
    elif -ahead > PAST_SECONDS:
        yield Hit("DATE_PAST", f"{-ahead / 86_400:.0f} days before its receipt")


def _received_at(facts: Facts) -> float | None:
    """Return when the last server that says so took the message; of a file, only its own fields tell."""
    for field in facts.message.headers.all("received")[:NEWEST_HOPS]:
        moment = parse_date(field.text.rpartition(";")[2])
        if moment is not None:
            return moment.timestamp()
    return facts.now if facts.envelope is not None else None
