"""The report on one message for people: bars by group, evidence, what the verdict hangs on, what judged."""

import math
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal, Status
from mailweir_policy import Thresholds
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.cli.show import COLOURS, NAME_CHARACTERS, not_run, put
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.verdict import GroupSum, clean, rounded

FOR: Final = 8
AGAINST: Final = 24
"""Cells of a bar for points below and above zero; the same number of points each."""
DEFAULT_SCALE: Final = 15.0
FULL, EMPTY, ZERO, MARK = "█", "░", "│", "┊"
NAME: Final = 26
PIPED_WIDTH: Final = 200
"""Where output is no terminal, lines may be longer."""
LOOKUPS: Final = 12
"""Look-ups that are shown; the rest are counted."""


def print_report(console: Console, scored: Scored) -> None:
    """Print everything about one message."""
    for line in lines(scored, console.width if console.is_terminal else PIPED_WIDTH):
        put(console, line)
    console.print()


def lines(scored: Scored, width: int) -> Iterator[Text]:
    """Yield the report's lines; evidence that does not fit beside its signal stands below it."""
    judgement, verdict = scored.judgement, scored.judgement.verdict
    head = Text(clean(scored.name, NAME_CHARACTERS), "bold")
    head.append(f"  {verdict.score:.2f} points, ", "not bold")
    head.append(verdict.action.upper(), f"bold {COLOURS[verdict.action]}")
    head.append(f" ({verdict.reason})", "not bold")
    yield head
    if judgement.summary.subject:
        yield Text(f"  {judgement.summary.subject}", "italic")
    yield _bar_line("score", verdict.score, judgement.thresholds, _limits(judgement.thresholds))
    for group in sorted(verdict.groups, key=lambda g: -g.counted):
        yield _bar_line(group.group, group.counted, judgement.thresholds, _capped(group))
        for signal in verdict.signals:
            if signal.group == group.group:
                yield from _signal_lines(signal, width)
    if not verdict.signals:
        yield Text("  nothing found", "dim")
    yield from (Text(f"  {line}", "dim") for line in _footer(judgement))


def _bar_line(name: str, points: float, thresholds: Thresholds, remark: str) -> Text:
    line = Text(f"  {name:<13}")
    line.append_text(bar(points, thresholds))
    line.append(f" {points:7.2f}")
    line.append(f"  {remark}" if remark else "", "dim")
    return line


def bar(points: float, thresholds: Thresholds) -> Text:
    """Return a bar from zero to both sides, the thresholds marked where it does not reach."""
    marks = [v for v in (thresholds.tag, thresholds.quarantine, thresholds.reject) if v is not None]
    cell = (
        max(marks, default=DEFAULT_SCALE) if max(marks, default=0) > 0 else DEFAULT_SCALE
    ) / AGAINST
    filled = math.floor(abs(points) / cell + 0.5)
    left = FULL * min(FOR, filled) if points < 0 else ""
    places = {min(AGAINST, max(1, round(value / cell))) - 1 for value in marks if value > 0}
    right = min(AGAINST, filled) if points > 0 else 0
    rest = "".join(MARK if at in places else EMPTY for at in range(right, AGAINST))
    text = Text(EMPTY * (FOR - len(left)), "dim")
    text.append(left, "green")
    text.append(ZERO, "dim")
    text.append(FULL * right, "red")
    text.append(rest, "dim")
    return text


def _capped(group: GroupSum) -> str:
    if group.cap is None or group.counted == group.total:
        return ""
    return f"({group.total:.2f}, capped at {group.cap:g})"


def _signal_lines(signal: Signal, width: int) -> Iterator[Text]:
    line = Text(f"    {signal.score:6.2f} ")
    line.append(f"{signal.name:<{NAME}}", "bold")
    line.append(f" {signal.description}")
    evidence = Text(f"[{signal.evidence}]", "dim")
    if not signal.evidence:
        yield line
    elif line.cell_len + evidence.cell_len < width:
        yield line.append(" ").append_text(evidence)
    else:
        yield line
        yield Text(" " * 11).append_text(evidence)


def _footer(judgement: Judgement) -> Iterator[str]:
    if judgement.counterfactual:
        yield f"without {_listed(judgement.counterfactual)} it would be: {turned(judgement)}"
    ran = [s for s in judgement.stages if s.status is not Status.SKIPPED]
    total = sum(s.seconds for s in ran) * 1000
    yield f"{total:.1f} ms: {', '.join(f'{s.stage} {s.seconds * 1000:.1f}' for s in ran)}"
    idle = [f"{s.stage}: {s.detail}" for s in not_run(judgement)]
    if idle:
        yield f"not run: {'; '.join(idle)}"
    yield from _lookups(judgement)
    versions = judgement.versions
    model = f"model {versions.model}, " if versions.model else ""
    yield f"judged by {model}rules {versions.rules}, policy {versions.config}, Mailweir {versions.program}"


def _lookups(judgement: Judgement) -> Iterator[str]:
    for lookup in judgement.lookups[:LOOKUPS]:
        said = clean(f"{lookup.question} → {lookup.answer}", NAME_CHARACTERS)
        yield f"asked {lookup.kind}: {said} ({lookup.seconds * 1000:.0f} ms)"
    if len(judgement.lookups) > LOOKUPS:
        yield f"asked {len(judgement.lookups) - LOOKUPS} times more"


def _listed(names: tuple[str, ...]) -> str:
    *front, last = names
    return f"{', '.join(front)} and {last}" if front else last


def turned(judgement: Judgement) -> Action:
    """Return the action that the thresholds give without the signals that the verdict hangs on."""
    gone: dict[str, float] = {}
    for signal in judgement.verdict.signals:
        if signal.name in judgement.counterfactual:
            gone[signal.group] = gone.get(signal.group, 0.0) + signal.score
    left = [(g.total - gone.get(g.group, 0.0), g.cap) for g in judgement.verdict.groups]
    score = math.fsum(total if cap is None else min(total, cap) for total, cap in left)
    return judgement.thresholds.action(rounded(score))


def _limits(thresholds: Thresholds) -> str:
    named = (
        ("tag", thresholds.tag),
        ("quarantine", thresholds.quarantine),
        ("reject", thresholds.reject),
    )
    return ", ".join(f"{name} {'off' if value is None else f'{value:g}'}" for name, value in named)
