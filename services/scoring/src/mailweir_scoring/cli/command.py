"""The command `mailweir score`."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_policy import InvalidPolicyError, Policy, loads
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.cli.inputs import Unreadable, find_files, sources
from mailweir_scoring.cli.scorer import Result, Scored, score_all
from mailweir_scoring.cli.show import as_json, print_line, print_report

EXIT_CLEAN: Final = 0
EXIT_SPAM: Final = 1
EXIT_BAD_INPUT: Final = 2
MANY: Final = 20
"""From this many files on there is a progress bar, and a line a message in place of a report."""
DEFAULT_CONFIG: Final = "default"


@dataclass(slots=True)
class _Tally:
    actions: Counter[Action] = field(default_factory=Counter)
    unreadable: int = 0

    def exit_code(self) -> int:
        if self.unreadable or self.actions[Action.DEFER]:
            return EXIT_BAD_INPUT
        spam = sum(self.actions[a] for a in (Action.TAG, Action.HOLD, Action.REJECT))
        return EXIT_SPAM if spam else EXIT_CLEAN


def score(
    files: Annotated[list[str], typer.Argument(metavar="FILE|DIR|-...", show_default=False)],
    as_json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON object a message, a line each.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=256, help="Processes that judge.")
    ] = 1,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="A policy as JSON; default: the shipped one."
        ),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="The whole report also for many messages.")
    ] = False,
) -> None:
    """Judge mail in files, without any service running.

    Each argument is a message, an mbox file, a directory (all files below
    it but hidden ones) or - for standard input. A file that cannot be read
    gets a line on standard error; the others are judged nevertheless.

    With --json each message is one line: path, sha256, score, action
    (accept, tag, hold, reject, defer), reason, signals (name, score, group,
    description, evidence; heaviest first), timings_ms by stage, model,
    rules, config. A message of an mbox has its number behind the path: box#3.

    Exit code: 0 every message is accepted; 1 at least one is at or over the
    tag threshold (tag, hold, reject); 2 something could not be read or
    judged, or the arguments or the policy are wrong.
    """
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    current = _policy(config, errors)
    names = list(find_files(files))
    many = len(names) >= MANY
    show = _shower(as_json_lines, brief=many and not details)
    tally = _Tally()
    results = score_all(sources(names, sys.stdin.buffer), current, jobs)
    try:
        for result in _with_progress(results, len(names), errors, show=many):
            if isinstance(result, Scored):
                show(result)
            _take(result, tally, errors)
    except BrokenExecutor as error:
        _complain(errors, f"a worker process died: {error}")
        raise typer.Exit(EXIT_BAD_INPUT) from error
    if many and not as_json_lines:
        typer.echo(_summary(tally))
    raise typer.Exit(tally.exit_code())


def _shower(as_json_lines: bool, *, brief: bool) -> Callable[[Scored], None]:
    if as_json_lines:
        return lambda scored: typer.echo(as_json(scored))
    output = Console(highlight=False, soft_wrap=True)
    return partial(print_line if brief else print_report, output)


def _policy(path: Path | None, errors: Console) -> PolicySnapshot:
    if path is None:
        return PolicySnapshot(Policy(), DEFAULT_CONFIG)
    try:
        return PolicySnapshot(loads(path.read_bytes()), path.name)
    except OSError as error:
        _complain(errors, f"{path}: {error.strerror or error}")
    except InvalidPolicyError as error:
        for problem in error.problems:
            _complain(errors, f"{path}: {problem.path or '(document)'}: {problem.message}")
    raise typer.Exit(EXIT_BAD_INPUT)


def _take(result: Result, tally: _Tally, errors: Console) -> None:
    if isinstance(result, Unreadable):
        tally.unreadable += 1
        _complain(errors, f"{result.name}: {result.message}")
        return
    judgement = result.judgement
    tally.actions[judgement.verdict.action] += 1
    if judgement.status is Status.TEMPERROR:
        _complain(errors, f"{result.name}: not judged: {judgement.detail}")


def _complain(errors: Console, line: str) -> None:
    errors.print(f"mailweir score: {line}", markup=False)


def _with_progress(
    results: Iterable[Result], total: int, errors: Console, *, show: bool
) -> Iterator[Result]:
    """Pass the results on, with a bar on standard error where that is a terminal."""
    if not show or not errors.is_terminal:
        yield from results
        return
    columns = (
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("judging", total=total)
        for result in results:
            progress.advance(task, 0 if "#" in result.name else 1)
            yield result


def _summary(tally: _Tally) -> str:
    total = sum(tally.actions.values())
    parts = [f"{tally.actions[a]} {a}" for a in Action if tally.actions[a]]
    unread = f"; {tally.unreadable} not readable" if tally.unreadable else ""
    return f"{total} messages: {', '.join(parts) or 'none'}{unread}"
