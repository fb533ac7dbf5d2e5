"""`mailweir greylist`: who is asked to come back, over the REST API."""

from enum import StrEnum
from typing import Annotated, Final

import typer

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
from mailweir_cli.output import print_json

app = typer.Typer(help="See who is asked to come back, and let somebody through.")

_COLUMNS: Final = (
    "id", "state", "client", "sender", "recipient", "first", "due", ">came", ">passed", "by",
)  # fmt: skip
_FIELDS: Final = (
    "id", "state", "client", "sender", "recipient", "first_at", "due_at", "attempts", "passes",
    "authorised_by",
)  # fmt: skip
Id = Annotated[str, typer.Argument(metavar="ID", help="As `mailweir greylist list` shows it.")]


class State(StrEnum):
    """Which entries."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    EXEMPT = "exempt"
    ALL = "all"


@app.command("list")
def list_entries(  # noqa: PLR0913 - one argument per option
    state: Annotated[State, typer.Option("--state", help="Only those.")] = State.PENDING,
    text: Text = "",
    most: Most = 100,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show who is waited for, the newest first; with --state, who is let through."""
    wanted = "" if state is State.ALL else state.value
    with connected(data, key, url) as api:
        found = list(items(api, "/greylist", most, state=wanted, text=text))
    show(found, _COLUMNS, _FIELDS, as_json=as_json)


@app.command("authorise")
def authorise(
    entry: Id, data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Let an entry through: its next try is taken."""
    with connected(data, key, url) as api:
        found = api.call("POST", f"/greylist/{part(entry)}/authorise").json()
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{found['sender'] or found['client']} is let through from now on")


@app.command("delete")
def delete(entry: Id, data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL) -> None:
    """Forget an entry: who comes so again is new."""
    with connected(data, key, url) as api:
        api.call("DELETE", f"/greylist/{part(entry)}")
    typer.echo(f"{entry} is forgotten")


@app.command("forecast")
def forecast(
    data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Say what greylisting did, or would have done while it only logs."""
    with connected(data, key, url) as api:
        found = api.get("/greylist/forecast")
    if as_json:
        print_json(found)
        return
    mode = "only logging" if found["log_only"] else "in force"
    minutes = found["median_wait_ms"] / 60_000
    typer.echo(f"greylisting is {mode}; since {found['since'] or 'its start'} it looked at")
    typer.echo(f"  {found['checked']} recipients, and had {found['deferred']} of them wait;")
    typer.echo(f"  {found['returned']} came back (half of them within {minutes:.0f} minutes),")
    typer.echo(f"  {found['lost']} never did")
