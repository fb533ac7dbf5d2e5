"""The X-Spam headers, in the form that SpamAssassin's users and their filters know.

Values are ASCII without control characters. A line feed in one asks whoever writes the header for a fold
at that place; nothing that came with the message can put one there.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.outcome import Signal
from mailweir_policy import HeaderPolicy
from mailweir_scoring.policy.verdict import Verdict, clean

MAX_STARS: Final = 50  # as SpamAssassin; more tell nothing
MAX_TESTS: Final = 100
"""Symbols that are named; the heaviest come first."""
LINE_WIDTH: Final = 70


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: name, and value as described above."""

    name: str
    value: str


def spam_headers(
    verdict: Verdict,
    policy: HeaderPolicy,
    *,
    tag: float | None,
    skipped: Sequence[str],
    version: str,
) -> tuple[Field, ...]:
    """Return the headers that the policy asks for.

    `tag` is the threshold in force (None: tagging is off), `skipped` the stages that gave nothing.
    """
    spam = tag is not None and verdict.score >= tag
    shown = shown_score(verdict.score, tag)
    wanted = (
        (policy.flag, "X-Spam-Flag", "YES" if spam else "NO"),
        (policy.score, "X-Spam-Score", shown),
        (policy.level, "X-Spam-Level", "*" * stars(verdict.score)),
        (policy.status, "X-Spam-Status", _status(verdict, spam, tag, skipped, version)),
        (policy.report, "X-Spam-Report", "\n".join(_report(verdict.signals))),
    )
    return tuple(Field(name, value) for on, name, value in wanted if on)


def shown_score(score: float, tag: float | None) -> str:
    """Return the score with one decimal; one below the threshold is never rounded up to it."""
    text = f"{score:.1f}"
    if tag is not None and score < tag <= float(text):
        text = f"{math.floor(score * 10) / 10:.1f}"
    return "0.0" if text == "-0.0" else text


def stars(score: float) -> int:
    """Return how many stars X-Spam-Level has: one a full point."""
    return max(0, min(int(score), MAX_STARS))


def _status(
    verdict: Verdict, spam: bool, tag: float | None, skipped: Sequence[str], version: str
) -> str:
    words = [
        f"{'Yes' if spam else 'No'},",
        f"score={shown_score(verdict.score, tag)}",
        f"required={'off' if tag is None else f'{tag:.1f}'}",
        f"tests={_wrapped([s.name for s in verdict.signals[:MAX_TESTS]]) or 'none'}",
        *([f"skipped={','.join(skipped)}"] if skipped else []),
        "autolearn=disabled",
        f"version={version}",
    ]
    return " ".join(words)


def _wrapped(names: Sequence[str]) -> str:
    """Join with commas, with a fold behind one wherever the line would get too long."""
    lines = [""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) > LINE_WIDTH:
            lines.append("")
        lines[-1] += f"{name},"
    return "\n".join(lines).removesuffix(",")


def _report(signals: Sequence[Signal]) -> Iterator[str]:
    for signal in signals[:MAX_TESTS]:
        evidence = ascii_only(signal.evidence)
        yield f"* {signal.score:4.1f} {signal.name} {ascii_only(signal.description)}"
        if evidence:
            yield f"*      [{evidence}]"


def ascii_only(text: str) -> str:
    """Return text as printable ASCII that no reader takes for an encoded word (RFC 2047)."""
    plain = clean(text, limit=160).encode("ascii", "backslashreplace").decode()
    return plain.replace("=?", "= ?")
