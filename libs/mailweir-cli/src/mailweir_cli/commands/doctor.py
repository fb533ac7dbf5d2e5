"""`mailweir doctor`: is this machine fit, and is what runs on it well?"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from mailweir_cli.doctor import machine
from mailweir_cli.doctor.finding import Finding, Health
from mailweir_cli.doctor.running import check_running
from mailweir_cli.exits import Exit
from mailweir_cli.output import console, escaped, print_json, table
from mailweir_core.clock import SystemClock

_MARKS: Final = {
    Health.OK: "[green]ok[/green]",
    Health.WARN: "[yellow]warn[/yellow]",
    Health.FAIL: "[bold red]FAIL[/bold red]",
}


def doctor(
    data: Annotated[Path, typer.Option(help="Data directory of `mailweir up`.")] = Path("var"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine and what runs on it; say what to do about each fault.

    The exit code is 1 when something does not work, 0 when all is well or
    merely slow.
    """
    findings = examine(data.expanduser().absolute())
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.health is Health.FAIL for finding in findings):
        raise typer.Exit(Exit.FAILED)


def examine(data: Path) -> list[Finding]:
    """Do all checks."""
    return [
        machine.check_python(),
        machine.check_nats(),
        machine.check_data(data),
        machine.check_disk(data),
        machine.check_fsync(data),
        machine.check_files(),
        machine.check_clock(SystemClock().now(), machine.clock_synchronised()),
        *check_running(data),
    ]


def _show(findings: Sequence[Finding]) -> None:
    rows = [
        (_MARKS[f.health], escaped(f.check), escaped(f.detail), escaped(f.remedy)) for f in findings
    ]
    console().print(table("", ("", "check", "found", "what to do"), rows))
