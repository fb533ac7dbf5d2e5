"""Subjects and keys: which filter takes which subject, which stream stores it, what a key may be."""

import math
import re
from collections.abc import Sequence
from typing import Final

from mailweir_runtime.bus.topology import STREAMS, BucketSpec, StreamSpec

_KEY: Final = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
_VISIBLE: Final = re.compile(r"[!-~]{1,512}")
MAX_KEY_CHARACTERS: Final = 1024


def matches(pattern: str, subject: str) -> bool:
    """Say whether a subject fits a pattern with `*` (one token) and a final `>` (one or more).

    `subject` may be a pattern too: then whether the first takes whatever the second does.
    """
    wanted = pattern.split(".")
    given = subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(given) > index
        if index >= len(given) or given[index] == ">" or part not in ("*", given[index]):
            return False
    return len(wanted) == len(given)


def stream_of(subject: str, streams: Sequence[StreamSpec] = STREAMS) -> StreamSpec | None:
    """Return the declared stream that stores a subject, or None."""
    for spec in streams:
        if any(matches(pattern, subject) for pattern in spec.subjects):
            return spec
    return None


def check_subject(subject: str) -> str:
    """Return the subject; raises ValueError where it would break the protocol."""
    if _VISIBLE.fullmatch(subject) is None:
        raise ValueError(f"not a subject: {subject[:80]!r}")
    return subject


def check_msg_id(msg_id: str) -> str:
    """Return the dedup id; raises ValueError where it would break the protocol."""
    if _VISIBLE.fullmatch(msg_id) is None:
        raise ValueError(f"not a message id: {msg_id[:80]!r}")
    return msg_id


def check_key(key: str) -> str:
    """Return the key; raises ValueError where it is none."""
    if len(key) > MAX_KEY_CHARACTERS or _KEY.fullmatch(key) is None:
        raise ValueError(f"not a key: {key[:80]!r}")
    return key


def check_ttl(spec: BucketSpec, seconds: float) -> int:
    """Return a key's time to live in whole seconds, rounded up; 0 for none.

    Raises ValueError where the bucket has no such thing, or the time is no time.
    """
    if seconds == 0.0:
        return 0
    if not spec.key_ttl:
        raise ValueError(f"{spec.name}: the bucket has no time to live by key")
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"{spec.name}: not a time to live: {seconds}")
    return math.ceil(seconds)
