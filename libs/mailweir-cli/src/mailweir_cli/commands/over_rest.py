"""What the commands that work over the REST API share: their options, pages, and how they show things."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from mailweir_cli.api import Api, read_key
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import console, escaped, print_json, table

PAGE: Final = 500
Data = Annotated[
    Path, typer.Option("--data", help="Data directory of `mailweir up`, where admin.key lies.")
]
Key = Annotated[str | None, typer.Option("--key", help="API key, in place of the file.")]
Url = Annotated[str, typer.Option("--url", help="Where the REST API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Most = Annotated[int, typer.Option("--most", min=1, help="Show no more than so many.")]
Text = Annotated[str, typer.Option("--text", help="Only those in which this occurs.")]
VAR: Final = Path("var")


def connected(data: Path, key: str | None, url: str) -> Api:
    """Return a connection to the API; raises CommandError."""
    return Api(url, key or read_key(data))


def part(text: str) -> str:
    """Return a text as a part of a path; raises CommandError for what can be none."""
    if text in ("", ".", ".."):
        raise CommandError(Exit.INVALID, f"{text!r} names nothing")
    return quote(text, safe="@:")


def items(api: Api, path: str, most: int, **query: str) -> Iterator[Any]:
    """Yield what a list has, page by page, up to `most`."""
    cursor = ""
    while most > 0:
        asked = {name: value for name, value in {**query, "cursor": cursor}.items() if value}
        page = api.get(path, **asked, limit=min(most, PAGE))
        yield from page["items"][:most]
        most -= len(page["items"])
        cursor = page["next"]
        if not cursor:
            return


def show(
    found: Sequence[Any], columns: Sequence[str], fields: Sequence[str], *, as_json: bool
) -> None:
    """Print what was found: JSON, a table, or that there is nothing."""
    if as_json:
        print_json(list(found))
    elif found:
        rows = [[_cell(item[field]) for field in fields] for item in found]
        console().print(table("", columns, rows))
    else:
        typer.echo("none")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:,.1f}".removesuffix(".0")
    return escaped(str(value))
