"""How results are shown in a line each: JSON for programs, score and symbols for people."""

import json
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Signal, Status
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.policy.judgement import Judgement, StageRun
from mailweir_scoring.policy.verdict import clean

NAME_CHARACTERS: Final = 200
SYMBOLS: Final = 6
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
        "timings_ms": {s.stage: _milliseconds(s.seconds) for s in judgement.stages},
        "model": judgement.versions.model or None,
        "rules": judgement.versions.rules,
        "config": judgement.versions.config,
        "counterfactual": list(judgement.counterfactual),
        "skipped": [
            {"stage": s.stage, "status": s.status, "detail": s.detail} for s in not_run(judgement)
        ],
        "lookups": [_lookup(x) for x in judgement.lookups],
    }
    return json.dumps(document, ensure_ascii=False)


def not_run(judgement: Judgement) -> list[StageRun]:
    """Return the stages that gave nothing: spared, switched off or failed."""
    return [s for s in judgement.stages if s.status in (Status.SKIPPED, Status.TEMPERROR)]


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "name": signal.name,
        "score": signal.score,
        "group": signal.group,
        "description": signal.description,
        "evidence": signal.evidence,
    }


def _lookup(lookup: Lookup) -> dict[str, Any]:
    return {
        "kind": lookup.kind,
        "question": lookup.question,
        "answer": lookup.answer,
        "ms": _milliseconds(lookup.seconds),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def print_line(console: Console, scored: Scored) -> None:
    """Print one line: score, action, and the heaviest signals."""
    verdict = scored.judgement.verdict
    line = Text()
    line.append(f"{verdict.score:7.2f}  ")
    line.append(f"{verdict.action:<7}", COLOURS[verdict.action])
    line.append(f" {clean(scored.name, NAME_CHARACTERS)}")
    line.append(f"  {' '.join(s.name for s in verdict.signals[:SYMBOLS])}", "dim")
    put(console, line)


def put(console: Console, line: Text) -> None:
    """Print one line; on a terminal what is beyond its width is cut, elsewhere it is kept."""
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis")
    else:
        console.print(line, soft_wrap=True)
