"""How results are shown: JSON lines for programs, bars by group for people."""

import json
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal, Status
from mailweir_policy import Thresholds
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.verdict import GroupSum, clean

BAR: Final = 24
DEFAULT_SCALE: Final = 15.0
COLOURS: Final = {
    Action.ACCEPT: "green",
    Action.TAG: "yellow",
    Action.HOLD: "dark_orange",
    Action.REJECT: "red",
    Action.DEFER: "magenta",
    Action.DISCARD: "red",
}


def as_json(scored: Scored) -> str:
    """Return one line of JSON, the form that `mailweir score --json` promises."""
    judgement, verdict = scored.judgement, scored.judgement.verdict
    document: dict[str, Any] = {
        "path": scored.name,
        "sha256": scored.sha256,
        "score": verdict.score,
        "action": verdict.action,
        "reason": verdict.reason,
        "signals": [_signal(s) for s in verdict.signals],
        "timings_ms": {s.stage: round(s.seconds * 1000, 3) for s in judgement.stages},
        "model": judgement.versions.model or None,
        "rules": judgement.versions.rules,
        "config": judgement.versions.config,
    }
    return json.dumps(document, ensure_ascii=False)


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "name": signal.name,
        "score": signal.score,
        "group": signal.group,
        "description": signal.description,
        "evidence": signal.evidence,
    }


def print_line(console: Console, scored: Scored) -> None:
    """Print one line: score, action, and the heaviest signals."""
    verdict = scored.judgement.verdict
    line = Text()
    line.append(f"{verdict.score:7.2f}  ")
    line.append(f"{verdict.action:<7}", COLOURS[verdict.action])
    line.append(f" {clean(scored.name, 200)}")
    line.append(f"  {' '.join(s.name for s in verdict.signals[:6])}", "dim")
    console.print(line, no_wrap=True, overflow="ellipsis")


def print_report(console: Console, scored: Scored) -> None:
    """Print everything about one message, a bar for each group of signals."""
    judgement, verdict = scored.judgement, scored.judgement.verdict
    head = Text(clean(scored.name, 200), "bold")
    head.append(f"  {verdict.score:.2f} points, ", "not bold")
    head.append(verdict.action.upper(), f"bold {COLOURS[verdict.action]}")
    head.append(f" ({verdict.reason})", "not bold")
    console.print(head)
    if judgement.summary.subject:
        console.print(Text(f"  {judgement.summary.subject}", "italic"))
    for group in sorted(verdict.groups, key=lambda g: -g.counted):
        _print_group(console, judgement, group)
    if not verdict.signals:
        console.print(Text("  nothing found", "dim"))
    for line in _footer(judgement):
        console.print(Text(f"  {line}", "dim"))
    console.print()


def _print_group(console: Console, judgement: Judgement, group: GroupSum) -> None:
    scale = judgement.thresholds.reject or DEFAULT_SCALE
    line = Text(f"  {group.group:<12}")
    line.append(bar(group.counted, scale), "green" if group.counted < 0 else "red")
    line.append(f" {group.counted:6.2f}")
    if group.counted != group.total and group.cap is not None:
        line.append(f"  ({group.total:.2f}, capped at {group.cap:g})", "dim")
    console.print(line)
    for signal in judgement.verdict.signals:
        if signal.group == group.group:
            _print_signal(console, signal)


def _print_signal(console: Console, signal: Signal) -> None:
    line = Text(f"    {signal.score:6.2f} ")
    line.append(f"{signal.name:<26}", "bold")
    line.append(f" {signal.description}")
    if signal.evidence:
        line.append(f" [{signal.evidence}]", "dim")
    console.print(line)


def bar(points: float, scale: float) -> str:
    """Return a bar of BAR characters, filled by the points' share of `scale`."""
    filled = min(BAR, round(abs(points) / scale * BAR))
    return "█" * filled + "░" * (BAR - filled)


def _footer(judgement: Judgement) -> list[str]:
    limits = _limits(judgement.thresholds)
    seconds = sum(s.seconds for s in judgement.stages)
    idle = [
        f"{s.stage}: {s.detail}" for s in judgement.stages if s.status is not Status.OK and s.detail
    ]
    versions = judgement.versions
    lines = [f"{limits}; {seconds * 1000:.1f} ms; rules {versions.rules}, policy {versions.config}"]
    return lines + ([f"not run: {'; '.join(idle)}"] if idle else [])


def _limits(thresholds: Thresholds) -> str:
    named = (
        ("tag", thresholds.tag),
        ("quarantine", thresholds.quarantine),
        ("reject", thresholds.reject),
    )
    return ", ".join(f"{name} {'off' if value is None else f'{value:g}'}" for name, value in named)
