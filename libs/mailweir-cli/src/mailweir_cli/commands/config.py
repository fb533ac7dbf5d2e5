"""`mailweir config`: the policy in force, read, checked and replaced over the REST API."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mailweir_cli.api import DEFAULT_URL, Api, read_key
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import print_json
from mailweir_policy.document import InvalidPolicyError, loads

app = typer.Typer(help="Read, check and replace the policy.")

Data = Annotated[
    Path, typer.Option("--data", help="Data directory of `mailweir up`, where admin.key lies.")
]
Key = Annotated[str | None, typer.Option("--key", help="API key, in place of the file.")]
Url = Annotated[str, typer.Option("--url", help="Where the REST API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, also for problems.")]
File = Annotated[Path, typer.Argument(help="A policy document; '-' for standard input.")]


@app.command("get")
def get(
    path: Annotated[str, typer.Argument(help="Only this field, as a.dotted.path.")] = "",
    data: Data = Path("var"),
    key: Key = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Print the policy in force as JSON."""
    with _api(data, key, url) as api:
        document = api.get("/config")
    for part in path.split(".") if path else ():
        document = _part(document, part, path)
    print_json(document)


@app.command("put")
def put(
    file: File,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit.")] = "",
    data: Data = Path("var"),
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Replace the policy; services take it on without a restart.

    It is refused as a whole when anything in it is wrong, and when somebody
    changed the policy meanwhile.
    """
    document = _decoded(file)
    with _api(data, key, url) as api:
        seen = api.call("GET", "/config").headers["ETag"]
        query = {"reason": reason} if reason else {}
        try:
            answer = api.call(
                "PUT", "/config", body=document, query=query, headers={"If-Match": seen}
            )
        except CommandError as error:
            _tell(error, as_json=as_json)
            raise typer.Exit(error.code) from error
    version = str(answer.json()["version"])
    if as_json:
        print_json({"version": version})
    else:
        typer.echo(f"the policy is now version {version}")


@app.command("check")
def check(file: File, as_json: AsJson = False) -> None:
    """Check a policy document without applying it; needs no service."""
    try:
        loads(_text(file))
    except InvalidPolicyError as error:
        lines = [f"{p.path or '(document)'}: {p.message}" for p in error.problems]
        problem = CommandError(Exit.INVALID, f"{file} is not a valid policy", *lines)
        _tell(problem, as_json=as_json)
        raise typer.Exit(Exit.INVALID) from error
    if as_json:
        print_json({"valid": True})
    else:
        typer.echo(f"{file} is a valid policy")


def _part(document: Any, part: str, path: str) -> Any:
    try:
        return document[int(part)] if isinstance(document, list) else document[part]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CommandError(Exit.INVALID, f"{path}: there is no {part!r}") from error


def _api(data: Path, key: str | None, url: str) -> Api:
    return Api(url, key or read_key(data))


def _decoded(file: Path) -> Any:
    try:
        return json.loads(_text(file))
    except ValueError as error:
        raise CommandError(Exit.INVALID, f"{file}: not JSON: {error}") from error


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(Exit.INVALID, f"{file}: {error}") from error


def _tell(error: CommandError, *, as_json: bool) -> None:
    if as_json:
        problems = getattr(error, "problems", None) or [
            line.partition(": ")[::2] for line in error.lines[1:]
        ]
        listed = [{"path": path, "message": message} for path, message in problems]
        print_json({"valid": False, "detail": error.lines[0], "problems": listed})
        return
    for line in error.lines:
        typer.echo(f"mailweir: {line}", err=True)
