"""`mailweir lists`: entries of allow and block lists, over the REST API."""

import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from mailweir_cli import quantities
from mailweir_cli.api import DEFAULT_URL
from mailweir_cli.commands.over_rest import (
    VAR,
    AsJson,
    Data,
    Key,
    Most,
    Text,
    Url,
    connected,
    items,
    part,
    show,
)
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import print_json
from mailweir_core.clock import SystemClock

app = typer.Typer(help="Keep allow and block lists.")

_COLUMNS: Final = ("id", "kind", "item", "owner", "recipients", "until", ">hits", "note", "by")
_FIELDS: Final = (
    "id", "kind", "item", "owner", "recipients", "expires_at", "hits", "note", "by",
)  # fmt: skip
MAX_FILE: Final = 1024 * 1024
"""The API takes no larger body."""


class Kind(StrEnum):
    """What an entry is for."""

    ALLOW = "allow"
    BLOCK = "block"


KindArgument = Annotated[Kind, typer.Argument(help="allow or block.")]
Owner = Annotated[
    str,
    typer.Option(
        "--owner",
        help="Whose mail: system, tenant:x, domain:example.com or user:user@example.com.",
    ),
]
Lasting = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long: 90, 15m, 4h, 30d. 0: no end.")
]
Note = Annotated[str, typer.Option("--note", help="Why.")]


@app.command("list")
def list_entries(  # noqa: PLR0913 - one argument per option
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only those.")] = None,
    owner: Annotated[str, typer.Option("--owner", help="Only those of this owner.")] = "",
    text: Text = "",
    most: Most = 1000,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the entries, the newest first, and how often each counted."""
    query = {"kind": kind.value if kind else "", "owner": owner, "text": text}
    with connected(data, key, url) as api:
        found = list(items(api, "/lists", most, **query))
    show(found, _COLUMNS, _FIELDS, as_json=as_json)


@app.command("add")
def add(  # noqa: PLR0913
    kind: KindArgument,
    item: Annotated[
        str,
        typer.Argument(
            help="Address, network, range, host:<name>, a sender, @<domain> or @.<domain>."
        ),
    ],
    owner: Owner = "system",
    recipient: Annotated[
        list[str] | None, typer.Option("--recipient", help="Only mail to it; may be repeated.")
    ] = None,
    lasting: Lasting = "0",
    note: Note = "",
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Add an entry; it holds at once.

    What was found of a client a moment ago is asked for anew within a minute
    (reputation.entry_valid_seconds).
    """
    body = {
        "kind": kind.value, "item": item, "owner": owner, "recipients": recipient or [], "note": note,
        "expires_at": _until(lasting) or None,
    }  # fmt: skip
    with connected(data, key, url) as api:
        made = api.call("POST", "/lists", body=body).json()
    if as_json:
        print_json(made)
    else:
        typer.echo(f"{made['item']} is on the {made['kind']} list as {made['id']}")


@app.command("remove")
def remove(
    entry: Annotated[str, typer.Argument(metavar="ID", help="As `mailweir lists list` shows it.")],
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Remove an entry."""
    with connected(data, key, url) as api:
        api.call("DELETE", f"/lists/{part(entry)}")
    typer.echo(f"{entry} is removed")


@app.command("import")
def import_list(  # noqa: PLR0913
    kind: KindArgument,
    file: Annotated[Path, typer.Argument(help="One item a line; '-' for standard input.")],
    owner: Owner = "system",
    lasting: Lasting = "0",
    note: Note = "",
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Add an entry for each line of a file, or none where a line is wrong.

    A comment begins with # or ;. What is there already is kept once.
    """
    query = {"kind": kind.value, "owner": owner, "note": note, "expires_at": _until(lasting)}
    text = _text(file)
    with connected(data, key, url) as api:
        query = {name: value for name, value in query.items() if value}
        done = api.call("POST", "/lists/import", text=text, query=query).json()
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{done['added']} entries are new, {done['known']} were there already")


def _until(lasting: str) -> str:
    seconds = quantities.seconds("--for", lasting)
    if not seconds:
        return ""
    end = datetime.fromtimestamp(SystemClock().now(), UTC) + timedelta(seconds=seconds)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(file: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(Exit.INVALID, f"{file}: {error}") from error
    if len(content) > MAX_FILE:
        raise CommandError(Exit.INVALID, f"{file}: more than {MAX_FILE} bytes; split it")
    return text
