"""What is remembered beside a ban: how many came in a row, and how many lie within a network."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_STRIKES: Final = 1_000_000
MAX_MEMBERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Strikes:
    """So many bans in a row; the last ends at `until`, seconds since the epoch."""

    count: int = 0
    until: float = 0.0


def next_strike(strikes: Strikes, remembered_seconds: float, now: float) -> int:
    """Return the number in a row of a ban that begins now."""
    if now >= strikes.until + remembered_seconds:
        return 1
    return min(strikes.count + 1, MAX_STRIKES)


def dump_strikes(strikes: Strikes) -> bytes:
    """Return the stored form."""
    return json.dumps([strikes.count, strikes.until]).encode()


def load_strikes(data: bytes | None) -> Strikes:
    """Return the strikes in their stored form; none for nothing and for anything else."""
    match _json(data):
        case [int() as count, int() | float() as until] if count >= 0 and math.isfinite(until):
            return Strikes(count, float(until))
    return Strikes()


def enter(members: Mapping[str, float], subject: str, until: float, now: float) -> dict[str, float]:
    """Return the banned members of a network with one more, without those whose ban has ended."""
    live = {name: end for name, end in members.items() if end > now and name != subject}
    while len(live) >= MAX_MEMBERS:
        del live[next(iter(live))]
    return {**live, subject: until}


def dump_members(members: Mapping[str, float]) -> bytes:
    """Return the stored form of banned members, by subject until when."""
    return json.dumps(dict(members), separators=(",", ":")).encode()


def load_members(data: bytes | None) -> dict[str, float]:
    """Return banned members in their stored form; none for nothing and for anything else."""
    document = _json(data)
    if not isinstance(document, dict):
        return {}
    return {
        name: float(end)
        for name, end in document.items()
        if isinstance(end, int | float) and math.isfinite(end)
    }


def _json(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        found: object = json.loads(data)
    except ValueError:
        return None  # written by nobody who knows the form: as if nothing were remembered
    return found
