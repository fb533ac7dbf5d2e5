"""What a ban was made for, in words: bounded, and safe in a log and in a list."""

from types import MappingProxyType
from typing import Final

from mailweir_core.bans import MAX_EVIDENCE, OffenceKind
from mailweir_ratelimit.policy.tally import Tally

NOUNS: Final = MappingProxyType(
    {
        OffenceKind.CONNECTIONS: "connection",
        OffenceKind.LOGIN: "failed login",
        OffenceKind.UNKNOWN_USER: "unknown recipient",
        OffenceKind.RELAY: "refused relay",
        OffenceKind.RESET: "RSET or NOOP",
        OffenceKind.SCORE: "message with a score of {measure:g} or more",
        OffenceKind.LISTED: "refusal by DNS lists",
        OffenceKind.SIZE: "message of {measure:.0f} bytes or more",
        OffenceKind.TRAP: "message to a trap",
        OffenceKind.CONTENT: "message with malware",
        OffenceKind.MANUAL: "ban by hand",
    }
)


def evidence(kind: OffenceKind, tally: Tally, measure: float, ref: str, now: float) -> str:
    """Return what a ban was made for: how many of what in how long, samples, the latest reference."""
    noun = NOUNS[kind].format(measure=measure)
    head = noun
    if tally.total > 1:
        head = f"{tally.total} × {noun} in {max(0.0, now - tally.since):.0f} s"
    tail = f" [{ref}]" if ref else ""
    samples = ", ".join(tally.samples)
    room = MAX_EVIDENCE - len(head) - len(tail) - 2
    return f"{head}: {cut(samples, room)}{tail}" if samples else f"{head}{tail}"


def clean(text: str, most: int) -> str:
    """Return a client's text without what could be taken for something else in a log or a list."""
    shown = "".join(c if c.isprintable() else "?" for c in text[: 2 * most])
    return cut(" ".join(shown.split()), most)


def cut(text: str, room: int) -> str:
    """Return a text of at most `room` characters, with an ellipsis where it was longer."""
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"
