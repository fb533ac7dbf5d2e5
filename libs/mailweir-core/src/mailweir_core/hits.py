"""How often each ban turned somebody away: every ingress process keeps its own count in the bucket `rates`.

The key is `hits.<key of the ban>.<instance>`; the sum over the instances is what the ban has done. The
broker can find the keys of all bans, or of one, since dots part them. And how often each entry of a list
counted: one sum for all processes in the bucket `list-hits`.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Final

from mailweir_core.bans import ban_key

PREFIX: Final = "hits."
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_=-]")


@dataclass(frozen=True, slots=True)
class Hits:
    """What one process has counted for a ban: how many, and when the last came (seconds since the epoch)."""

    count: int
    at: float


def hits_prefix(subject: str) -> str:
    """Return what the keys of a ban's counts begin with."""
    return f"{PREFIX}{ban_key(subject)}."


def hits_key(subject: str, instance: str) -> str:
    """Return the key that a process keeps its count by."""
    return hits_prefix(subject) + _NOT_IN_KEYS.sub("_", instance)


def entry_hits_key(entry_id: str) -> str:
    """Return the key that the hits of a list's entry are summed up by."""
    return f"{entry_id}.sum"


def dump_hits(hits: Hits) -> bytes:
    """Return the stored form."""
    return json.dumps(asdict(hits), separators=(",", ":")).encode()


def load_hits(data: bytes) -> Hits:
    """Return a count in its stored form; raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    count, at = document.get("count"), document.get("at")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError("count must be a number")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise ValueError("at must be a time")
    return Hits(count, float(at))
