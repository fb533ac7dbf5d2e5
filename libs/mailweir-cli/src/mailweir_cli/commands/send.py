"""`mailweir send`: mail files over real SMTP, with what the server said to each."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import console, escaped, print_json, table
from mailweir_cli.smtp import Answer, Outgoing, Server, send_all
from mailweir_mail.edit import first_header

_ANGLE: Final = re.compile(rb"<([^<>\s]+@[^<>\s]+)>")
_BARE: Final = re.compile(rb"([^<>\s,;()\"]+@[^<>\s,;()\"]+)")
_SHOWN_REFUSALS: Final = 50


def send(  # noqa: PLR0913 - a command's options are its parameters
    files: Annotated[list[Path], typer.Argument(help="Mail files, or directories of them.")],
    to: Annotated[list[str], typer.Option("--to", help="Envelope recipient; may be repeated.")],
    sender: Annotated[
        str | None,
        typer.Option(
            "--from", help="Envelope sender; '<>' for none. [default: the From of each file]"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Server.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port.")] = 2525,
    jobs: Annotated[int, typer.Option(min=1, max=200, help="Connections at once.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send mail files over SMTP and show what the server said to each.

    Directories are searched for files whose name does not begin with a dot.
    Line ends become CRLF. The exit code is 0 when every mail was taken, 1 when
    one was not, 3 when there is no connection.
    """
    paths = list(_files(files))
    if not paths:
        raise CommandError(Exit.INVALID, "there are no mail files")
    mails = [_outgoing(path, sender, to) for path in paths]
    answers = _send(Server(host, port), mails, jobs, quiet=as_json)
    if as_json:
        print_json([_as_json(answer) for answer in answers])
    else:
        _show(answers)
    if not all(answer.accepted for answer in answers):
        raise typer.Exit(Exit.FAILED)


def _files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(
                p for p in place.rglob("*") if p.is_file() and not p.name.startswith(".")
            )
        elif place.is_file():
            yield place
        else:
            raise CommandError(Exit.INVALID, f"{place}: no such file or directory")


def _outgoing(path: Path, sender: str | None, to: Sequence[str]) -> Outgoing:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(Exit.INVALID, f"{path}: {error.strerror}") from error
    given = from_address(content) if sender is None else sender.strip("<>")
    return Outgoing(str(path), given, tuple(to), content)


def from_address(content: bytes) -> str:
    """Return the first address in the From header, or the empty string."""
    value = first_header(content, "From") or b""
    found = _ANGLE.search(value) or _BARE.search(value)
    return found[1].decode("utf-8", "replace") if found else ""


def _send(server: Server, mails: Sequence[Outgoing], jobs: int, *, quiet: bool) -> list[Answer]:
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    # on standard error, so that the result can be piped
    errors = Console(stderr=True)
    quiet = quiet or not errors.is_terminal
    progress = Progress(*columns, console=errors, transient=True, disable=quiet)
    with progress:
        bar = progress.add_task("sending", total=len(mails))
        try:
            return asyncio.run(send_all(server, mails, jobs, lambda _: progress.advance(bar)))
        except OSError as error:
            raise CommandError(Exit.UNAVAILABLE, str(error)) from error


def _as_json(answer: Answer) -> dict[str, object]:
    return {
        "path": answer.name,
        "accepted": answer.accepted,
        "code": answer.code,
        "reply": answer.reply,
        "reference": answer.reference,
        "refused": dict(answer.refused),
        "seconds": round(answer.seconds, 4),
    }


def _show(answers: Sequence[Answer]) -> None:
    out = console()
    rows = [
        (escaped(a.name), str(a.code or "–"), escaped(a.reply), f"{a.seconds * 1000:.0f}")
        for a in answers
    ]
    out.print(table("", ("file", "code", "reply", ">ms"), rows))
    taken = sum(answer.accepted for answer in answers)
    out.print(f"{taken} of {len(answers)} taken")
    partly = [(a.name, r, text) for a in answers for r, text in a.refused]
    for name, recipient, text in partly[:_SHOWN_REFUSALS]:
        out.print(escaped(f"{name}: <{recipient}> {text}"))
