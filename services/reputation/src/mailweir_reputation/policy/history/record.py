"""What one key has done, fading with time; how deeds are added to it, and how it is stored."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

RECENT: Final = 128
"""Deeds by which a record knows one that it has counted. A deed that is handed in again after so many others
is counted twice."""
MOST_SIBLINGS: Final = 16
REFRESH_SHARE: Final = 0.1
"""A sibling is noted anew after this share of the time after which it is forgotten."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One message, or something that a client did instead of sending one.

    `mark` tells it from others. `spam` is 0 to 1, `score` the content's, `at` in seconds since the epoch.
    """

    mark: str
    spam: float
    score: float
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """Messages, how many of them were spam, and the sum of their scores, faded to the time `seen_at`.

    `recent` are the marks of the deeds counted last. `siblings`: the bad networks within this one, with the
    time that each was found bad.
    """

    messages: float = 0.0
    spam: float = 0.0
    total_score: float = 0.0
    seen_at: float = 0.0
    recent: tuple[str, ...] = ()
    siblings: tuple[tuple[str, float], ...] = ()

    @property
    def share(self) -> float:
        """Return the share of spam, 0 to 1."""
        return self.spam / self.messages if self.messages > 0 else 0.0


def faded(record: Record, now: float, half_life: float) -> Record:
    """Return a record as it counts at `now`; a clock that went back changes nothing."""
    left = _left(now - record.seen_at, half_life)
    if left >= 1.0:
        return record
    return replace(
        record,
        messages=record.messages * left,
        spam=record.spam * left,
        total_score=record.total_score * left,
        seen_at=now,
    )


def folded(record: Record | None, deeds: Iterable[Deed], half_life: float) -> Record:
    """Return a record with deeds added, in whatever order they come; none is counted that is in `recent`."""
    result = record or Record()
    for deed in deeds:
        if deed.mark not in result.recent:
            result = _with(result, deed, half_life)
    return result


def _with(record: Record, deed: Deed, half_life: float) -> Record:
    if not record.messages:
        record = replace(record, seen_at=deed.at)
    now = faded(record, deed.at, half_life)
    weight = _left(now.seen_at - deed.at, half_life)  # one that comes late has faded already
    return replace(
        now,
        messages=now.messages + weight,
        spam=now.spam + weight * deed.spam,
        total_score=now.total_score + weight * deed.score,
        recent=(*now.recent, deed.mark)[-RECENT:],
    )


def noted(record: Record | None, bad: Iterable[str], now: float, forget: float) -> Record:
    """Return a record with bad networks within it noted at `now`; those noted `forget` before are dropped.

    One that knows all of them for not so long is returned as it is.
    """
    result = record or Record(seen_at=now)
    lately = {name for name, at in result.siblings if at > now - forget * REFRESH_SHARE}
    if lately >= set(bad):
        return result
    known = dict(result.siblings) | dict.fromkeys(bad, now)
    fresh = sorted(
        ((name, at) for name, at in known.items() if at > now - forget), key=lambda pair: pair[1]
    )
    return replace(result, siblings=tuple(fresh[-MOST_SIBLINGS:]), seen_at=max(now, result.seen_at))


def bad_siblings(record: Record, now: float, forget: float) -> int:
    """Return how many networks within this one are bad."""
    return sum(1 for _, at in record.siblings if at > now - forget)


def dump(record: Record) -> bytes:
    """Return the stored form."""
    numbers = (record.messages, record.spam, record.total_score)
    fields = [*(round(number, 4) for number in numbers), round(record.seen_at, 3)]
    marks = [list(record.recent), [[name, round(at, 3)] for name, at in record.siblings]]
    return json.dumps([*fields, *marks], separators=(",", ":")).encode()


def load(data: bytes) -> Record:
    """Return a record in its stored form; raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, list) or len(document) != 6:
        raise ValueError("not a record")
    *numbers, recent, siblings = document
    if not isinstance(recent, list) or not isinstance(siblings, list):
        raise ValueError("not a record")
    messages, spam, total, seen = map(_number, numbers)
    if messages < 0 or not 0 <= spam <= messages + 0.001:
        raise ValueError("no number of messages")
    pairs = tuple(_sibling(pair) for pair in siblings[-MOST_SIBLINGS:])
    return Record(messages, spam, total, seen, tuple(map(str, recent[-RECENT:])), pairs)


def _sibling(pair: object) -> tuple[str, float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError("not a sibling")
    return str(pair[0]), _number(pair[1])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _left(seconds: float, half_life: float) -> float:
    return 1.0 if seconds <= 0 else 2.0 ** (-seconds / half_life)
