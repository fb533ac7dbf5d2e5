"""The `mailweir` command: finds the commands that packages contribute, and runs the one asked for.

A package contributes a command by an entry point in the group `mailweir.commands`: its name is the command's,
its value a function as typer takes them, or a `typer.Typer` for a command with sub-commands. Only the command
asked for is imported, so that one contributed by a heavy service costs the others nothing, and a broken one
costs the others one line.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any, Final

import typer

from mailweir_cli.exits import EPILOG, CommandError, Exit

GROUP: Final = "mailweir.commands"
_ORDER: Final = ("up", "send", "score", "config", "bans", "greylist", "limits", "lists", "doctor")


def main() -> None:
    """Run `mailweir` and exit."""
    sys.exit(run(sys.argv[1:], entry_points(group=GROUP)))


def run(arguments: Sequence[str], commands: Iterable[EntryPoint]) -> int:
    """Run one command line; returns the exit code. A CommandError becomes lines on standard error."""
    app = build(arguments, commands)
    try:
        app(args=list(arguments), prog_name="mailweir")
    except CommandError as error:
        for line in error.lines:
            sys.stderr.write(f"mailweir: {line}\n")
        return error.code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.FAILED
    return Exit.OK


def build(arguments: Sequence[str], commands: Iterable[EntryPoint]) -> typer.Typer:
    """Return the application with the command that `arguments` ask for, or with all where they name none."""
    app = typer.Typer(
        help="Mailweir, an anti-spam mail gateway.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_options)
    found = {entry.name: entry for entry in sorted(commands, key=_rank)}
    asked = next((word for word in arguments if not word.startswith("-")), "")
    for entry in [found[asked]] if asked in found else found.values():
        _add(app, entry)
    return app


def _rank(entry: EntryPoint) -> tuple[int, str]:
    place = _ORDER.index(entry.name) if entry.name in _ORDER else len(_ORDER)
    return place, entry.name


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        command: Any = entry.load()
    except Exception as error:  # noqa: BLE001 - whatever a contributed module raises, the others must work
        text = " ".join(str(error).split())
        sys.stderr.write(
            f"mailweir: the command {entry.name!r} cannot be loaded from {entry.value}:"
            f" {type(error).__name__}: {text}\n"
        )
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry.name, no_args_is_help=True)
    else:
        app.command(name=entry.name)(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailweir {version('mailweir-cli')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before the command."""
