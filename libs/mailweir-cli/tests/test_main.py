"""Commands are found by entry point; one that is broken costs the others a line."""

import sys
import types
from importlib.metadata import EntryPoint, entry_points

import pytest
import typer

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.main import GROUP, run


def hello(name: str = "you") -> None:
    """Say hello."""
    typer.echo(f"hello {name}")


def wrong() -> None:
    """Go wrong in two lines."""
    raise CommandError(Exit.UNAVAILABLE, "first line", "second line")


def stopping() -> None:
    """End with a code of its own."""
    raise typer.Exit(7)


sub = typer.Typer(help="A command with one of its own.")


@sub.command()
def only() -> None:
    """The one there is."""
    typer.echo("only")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    module = types.ModuleType("contributed")
    vars(module).update(hello=hello, wrong=wrong, stopping=stopping, sub=sub)
    monkeypatch.setitem(sys.modules, "contributed", module)
    names = {"hello": "hello", "wrong": "wrong", "stopping": "stopping", "more": "sub"}
    return [EntryPoint(name, f"contributed:{attr}", GROUP) for name, attr in names.items()]


BROKEN = EntryPoint("broken", "no_such_module:command", GROUP)


def test_a_function_and_a_sub_application_become_commands(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["hello", "--name", "there"], commands) == 0
    assert run(["more", "only"], commands) == 0
    assert capsys.readouterr().out == "hello there\nonly\n"


def test_only_the_command_asked_for_is_loaded(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["hello"], [*commands, BROKEN]) == 0
    assert capsys.readouterr().err == ""


def test_help_shows_the_others_and_one_line_for_the_broken_one(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--help"], [*commands, BROKEN]) == 0
    shown = capsys.readouterr()
    assert "Say hello." in shown.out
    assert "Exit codes: 0" in shown.out
    assert shown.err.startswith(
        "mailweir: the command 'broken' cannot be loaded from no_such_module"
    )
    assert shown.err.count("\n") == 1


def test_the_broken_one_itself_is_no_command(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["broken"], [*commands, BROKEN]) == Exit.INVALID
    assert "cannot be loaded" in capsys.readouterr().err


def test_an_error_becomes_lines_and_a_code(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["wrong"], commands) == Exit.UNAVAILABLE
    assert capsys.readouterr().err == "mailweir: first line\nmailweir: second line\n"
    assert run(["stopping"], commands) == 7


def test_a_mistyped_command_is_an_invalid_call(
    commands: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["helo"], commands) == Exit.INVALID
    assert "hello" in capsys.readouterr().err


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], []) == 0
    assert capsys.readouterr().out.startswith("mailweir 0.")


def test_the_installed_commands_load_and_explain_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    installed = entry_points(group=GROUP)
    assert {"up", "send", "config", "doctor"} <= installed.names
    assert run([], installed) in (0, Exit.INVALID)
    shown = capsys.readouterr()
    assert shown.out.index("up ") < shown.out.index("send ") < shown.out.index("doctor ")
    for name in ("up", "send", "config", "doctor"):
        assert run([name, "--help"], installed) == 0
    assert "cannot be loaded" not in capsys.readouterr().err
