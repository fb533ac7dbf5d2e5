"""The command `mailweir score`."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_policy import InvalidPolicyError, Policy, loads
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.dns import parse_nameservers
from mailweir_scoring.cli.inputs import Unreadable, find_files, sources
from mailweir_scoring.cli.report import print_report
from mailweir_scoring.cli.scorer import Equipment, NotEquipped, Result, Scored, score_all
from mailweir_scoring.cli.show import as_json, print_line, put
from mailweir_scoring.cli.summary import Tally, lines

EXIT_CLEAN: Final = 0
EXIT_SPAM: Final = 1
EXIT_BAD_INPUT: Final = 2
MANY: Final = 20
"""From this many files on there is a progress bar, and a line a message in place of a report."""
DEFAULT_CONFIG: Final = "default"


RuleDirectories = Annotated[
    list[Path] | None,
    typer.Option(
        "--spamassassin",
        metavar="DIR",
        help="SpamAssassin's rule files (*.cf) too; again for a directory over it.",
        show_default=False,
    ),
]
NameServers = Annotated[
    str,
    typer.Option(
        "--dns",
        metavar="HOST:PORT",
        help="Ask these recursive name servers; default: nothing is looked up.",
        show_default=False,
    ),
]


class RateColumn(ProgressColumn):
    """Messages a second, over the last while."""

    def render(self, task: Task) -> Text:
        """Return the rate; a dash before there is one."""
        return Text("-/s" if task.speed is None else f"{task.speed:.0f}/s", "cyan")


def _exit_code(tally: Tally) -> int:
    if tally.unreadable or tally.actions[Action.DEFER]:
        return EXIT_BAD_INPUT
    spam = sum(tally.actions[a] for a in (Action.TAG, Action.HOLD, Action.REJECT))
    return EXIT_SPAM if spam else EXIT_CLEAN


def score(  # noqa: PLR0913 - the options of a command are its arguments
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
    spamassassin: RuleDirectories = None,
    dns: NameServers = "",
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
    rules, config, counterfactual (the fewest signals without which the action
    would be another), skipped (stages, with the reason), lookups. A message of
    an mbox has its number behind the path: box#3.

    Exit code: 0 every message is accepted; 1 at least one is at or over the
    tag threshold (tag, hold, reject); 2 something could not be read or
    judged, or the arguments or the policy are wrong.
    """
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    current = _policy(config, errors)
    names = list(find_files(files))
    many = len(names) >= MANY
    show = _shower(as_json_lines, brief=many and not details)
    begun = time.monotonic()
    equipment = _equipment(spamassassin or [], dns, errors)
    results = score_all(sources(names, sys.stdin.buffer), current, jobs, equipment)
    tally = _shown(_with_progress(results, len(names), errors, show=many), show, errors)
    if many and not as_json_lines:
        output = Console(highlight=False)
        for line in lines(tally, time.monotonic() - begun):
            put(output, line)
    raise typer.Exit(_exit_code(tally))


def _shown(results: Iterable[Result], show: Callable[[Scored], None], errors: Console) -> Tally:
    """Show each result as it comes, and return what they came to."""
    tally = Tally()
    try:
        for result in results:
            if isinstance(result, Scored):
                show(result)
            _take(result, tally, errors)
    except BrokenExecutor as error:
        _complain(errors, f"a worker process died: {error}")
        raise typer.Exit(EXIT_BAD_INPUT) from error
    except NotEquipped as error:
        _complain(errors, str(error))
        raise typer.Exit(EXIT_BAD_INPUT) from error
    return tally


def _equipment(directories: list[Path], dns: str, errors: Console) -> Equipment:
    try:
        parse_nameservers(dns)
    except ValueError as error:
        _complain(errors, f"--dns: {error}")
        raise typer.Exit(EXIT_BAD_INPUT) from error
    # what is compiled from rules is loaded as it is, so it lies where only this user writes
    cache = Path(typer.get_app_dir("mailweir")) / "patterns"
    return Equipment(tuple(directories), cache if directories else None, dns)


def _shower(as_json_lines: bool, *, brief: bool) -> Callable[[Scored], None]:
    if as_json_lines:
        return lambda scored: typer.echo(as_json(scored))
    output = Console(highlight=False)
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


def _take(result: Result, tally: Tally, errors: Console) -> None:
    if isinstance(result, Unreadable):
        tally.unreadable += 1
        _complain(errors, f"{result.name}: {result.message}")
        return
    judgement = result.judgement
    tally.take(result)
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
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("judging", total=total)
        for result in results:
            progress.advance(task, 0 if "#" in result.name else 1)
            yield result
