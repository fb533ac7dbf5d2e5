"""`mailweir bans`: who is turned away, over the REST API."""

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
from mailweir_cli.output import print_json

app = typer.Typer(help="See who is turned away, ban by hand, lift bans.")

_COLUMNS: Final = ("subject", "why", "evidence", "since", "until", ">strikes", ">hits", "by")
_FIELDS: Final = ("subject", "kind", "evidence", "since", "until", "strikes", "hits", "by")
Subject = Annotated[
    str, typer.Argument(help="An address, a network in CIDR form, or account:<login>.")
]


@app.command("list")
def list_bans(
    text: Text = "",
    most: Most = 1000,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show the bans with reason, evidence, and what they have turned away."""
    with connected(data, key, url) as api:
        found = list(items(api, "/bans", most, text=text))
    show(found, _COLUMNS, _FIELDS, as_json=as_json)


@app.command("add")
def add(  # noqa: PLR0913
    subject: Subject,
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 90, 15m, 4h, 30d. 0: no end.")
    ] = "0",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep-sessions", help="Let sessions that are open go on.")
    ] = False,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Ban a network or an account; it holds everywhere within a second."""
    body = {
        "subject": subject,
        "seconds": quantities.seconds("--for", lasting),
        "reason": reason,
        "close_all": not keep,
    }
    with connected(data, key, url) as api:
        made = api.call("POST", "/bans", body=body).json()
    if as_json:
        print_json(made)
    else:
        end = f"until {made['until']}" if made["until"] else "without an end"
        typer.echo(f"{made['subject']} is banned {end}")


@app.command("remove")
def remove(subject: Subject, data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL) -> None:
    """Lift a ban; it holds nowhere any more within a second."""
    with connected(data, key, url) as api:
        api.call("DELETE", f"/bans/{part(subject)}")
    typer.echo(f"{subject} is not banned any more")


@app.command("export")
def export(data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL) -> None:
    """Print the banned networks for a firewall: one CIDR a line, joined and sorted."""
    with connected(data, key, url) as api:
        typer.echo(api.call("GET", "/bans/export").text, nl=False)
