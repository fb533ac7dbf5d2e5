"""The commands `mailweir rules check|list|explain`: what rules there are, and what is wrong with them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from mailweir_scoring.cli.rulesets import Rulesets, read_all
from mailweir_scoring.cli.rulesets_show import (
    check_as_json,
    check_lines,
    explain,
    explain_lines,
    list_rows,
)

EXIT_GOOD: Final = 0
EXIT_FLAWED: Final = 1
EXIT_BAD_INPUT: Final = 2
WIDE: Final = 200
"""Columns of a table where output is no terminal."""

app: Final = typer.Typer(help="Look at rules: Mailweir's own, and SpamAssassin's from a directory.")

Directories = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DIR]...",
        help="Directories of *.cf files, later over earlier.",
        show_default=False,
    ),
]
RulesDir = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="Own rules (*.toml) in place of the shipped ones."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command()
def check(directories: Directories = None, rules: RulesDir = None, as_json: Json = False) -> None:
    """Check rule files: Mailweir's own, and SpamAssassin's in the directories given.

    Says how many of the lines that define a rule and are in force are loaded, and lists each one that is not:
    file, line, kind and reason. Rules flagged `net` are left silent as with SpamAssassin's --local. Named as
    slow are rules whose pattern the scanner cannot narrow down: they are matched by themselves in every text.

    Exit code: 0 nothing is wrong; 1 something is wrong or cannot run here; 2 a directory cannot be read.
    """
    found = _read(directories, rules)
    if as_json:
        _print_json(check_as_json(found))
    else:
        _print_lines(check_lines(found))
    raise typer.Exit(EXIT_FLAWED if found.is_flawed else EXIT_GOOD)


@app.command("list")
def list_rules(
    directories: Directories = None, rules: RulesDir = None, as_json: Json = False
) -> None:
    """List rules: name, score, group, whether it runs, description."""
    rows = list_rows(_read(directories, rules))
    if as_json:
        _print_json(rows)
        return
    table = Table("name", "score", "group", "state", "description", header_style="bold")
    for row in rows:
        cells = (row["name"], f"{row['score']:g}", row["group"], row["state"], row["description"])
        table.add_row(*(escape(c) for c in cells))
    output = Console()
    (output if output.is_terminal else Console(width=WIDE)).print(table)


@app.command("explain")
def explain_rule(
    name: Annotated[str, typer.Argument(help="The rule's name.")],
    directories: Directories = None,
    rules: RulesDir = None,
    as_json: Json = False,
) -> None:
    """Explain a rule: where it stands, its definition and scores, what it depends on and what depends on it.

    Exit code: 0; 2 there is no such rule.
    """
    found = explain(_read(directories, rules), name)
    if found is None:
        raise _refused(f"there is no rule {name!r}")
    if as_json:
        _print_json(found)
    else:
        _print_lines(explain_lines(found))


def _read(directories: Sequence[Path] | None, rules: Path | None) -> Rulesets:
    asked = tuple(directories or ())
    for directory in asked:
        if not directory.is_dir():
            raise _refused(f"{directory} is no directory")
    errors = Console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("compiling patterns"), console=errors, transient=True,
        disable=not asked or not errors.is_terminal,
    ) as progress:  # fmt: skip
        progress.add_task("compiling", total=None)
        return read_all(asked, rules)


def _refused(line: str) -> typer.Exit:
    typer.echo(f"mailweir rules: {line}", err=True)
    return typer.Exit(EXIT_BAD_INPUT)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo("".join(c if c.isprintable() else "?" for c in line))
