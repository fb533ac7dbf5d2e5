"""`mailweir limits`: what users and domains may send in a day, over the REST API."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from mailweir_cli import quantities
from mailweir_cli.api import DEFAULT_URL, Api
from mailweir_cli.commands.over_rest import (
    VAR,
    AsJson,
    Data,
    Key,
    Most,
    Url,
    connected,
    items,
    part,
    show,
)
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import console, escaped, print_json, table

app = typer.Typer(help="See and set what users and domains may send in a day.")

UNITS: Final = ("messages", "recipients", "bytes")
_COLUMNS: Final = ("who", "unit", ">used", ">limit", ">held", "next fits", "where from")
_FIELDS: Final = ("subject", "unit", "used", "limit", "held", "next_at", "source")
Who = Annotated[str, typer.Argument(metavar="USER|DOMAIN", help="A login, or a domain.")]
Number = Annotated[int | None, typer.Option(min=0, help="In a day; 0 has no limit.")]
_SIZE: Final = "In a day: 20MB, 1GB; 0 has no limit."
Size = Annotated[str | None, typer.Option("--bytes", metavar="SIZE", help=_SIZE)]
EachSize = Annotated[str | None, typer.Option("--each-bytes", metavar="SIZE", help=_SIZE)]


@app.command("show")
def show_limits(
    who: Annotated[
        str, typer.Argument(metavar="[USER|DOMAIN]", help="Only this; with the limits it has.")
    ] = "",
    most: Most = 1000,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show how far limits are used today; of one user or domain, also which hold."""
    with connected(data, key, url) as api:
        limits = api.get(_path(who)) if who else None
        used = list(items(api, "/limits", most, subject=who))
    if as_json:
        print_json({"limits": limits, "usage": used})
        return
    if limits is not None:
        _tell(limits)
    show(used, _COLUMNS, _FIELDS, as_json=False)


@app.command("set")
def set_limits(  # noqa: PLR0913
    who: Who,
    messages: Number = None,
    recipients: Number = None,
    size: Size = None,
    each_messages: Number = None,
    each_recipients: Number = None,
    each_size: EachSize = None,
    data: Data = VAR,
    key: Key = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Limit a user, or all users of a domain together (and with --each-… each).

    What is not named stays as it holds now. It is a new version of the
    policy, in force at once; what is held for the old limit then goes.
    """
    own = _chosen(messages, recipients, "--bytes", size)
    each = _chosen(each_messages, each_recipients, "--each-bytes", each_size)
    if each and _is_user(who):
        raise CommandError(Exit.INVALID, "--each-… is for domains; a user is one")
    if not own and not each:
        raise CommandError(Exit.INVALID, "say what to limit: --messages, --recipients, --bytes")
    with connected(data, key, url) as api:
        found = _replaced(api, who, own, each)
    _answer(found, as_json=as_json)


@app.command("unset")
def unset_limits(
    who: Who, data: Data = VAR, key: Key = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Take the limit of a user or a domain away, so that the general one holds."""
    with connected(data, key, url) as api:
        found = api.call("DELETE", _path(who)).json()
    _answer(found, as_json=as_json)


def _is_user(who: str) -> bool:
    return "@" in who


def _path(who: str) -> str:
    return f"/limits/{'users' if _is_user(who) else 'domains'}/{part(who)}"


def _chosen(
    messages: int | None, recipients: int | None, option: str, size: str | None
) -> dict[str, int]:
    """Return what was named."""
    bytes_ = None if size is None else quantities.size(option, size)
    named = zip(UNITS, (messages, recipients, bytes_), strict=True)
    return {unit: number for unit, number in named if number is not None}


def _replaced(api: Api, who: str, own: Mapping[str, int], each: Mapping[str, int]) -> Any:
    """Put what holds now with what was named; refused when the policy has changed meanwhile."""
    response = api.call("GET", _path(who))
    now = response.json()
    if _is_user(who):
        body: Any = {**_numbers(now["user"]), **own}
    else:
        body = {"total": {**_numbers(now["total"]), **own}}
        if each or now["users"]["source"].endswith(".users"):
            body["users"] = {**_numbers(now["users"]), **each}
    head = {"If-Match": response.headers["ETag"]}
    return api.call("PUT", _path(who), body=body, headers=head).json()


def _numbers(grant: Mapping[str, Any]) -> dict[str, int]:
    return {unit: grant[unit] for unit in UNITS}


def _answer(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        _tell(found)


def _tell(found: Mapping[str, Any]) -> None:
    names = ("user", "domain") if "login" in found else ("total", "users")
    who = {
        "user": found.get("login", ""),
        "domain": "all users of its domain",
        "total": f"all users of {found.get('domain')}",
        "users": "each without a limit of its own",
    }
    rows = [
        [escaped(who[name]), *map(_amount, _numbers(found[name]).values()), found[name]["source"]]
        for name in names
    ]
    columns = ("in a day", ">messages", ">recipients", ">bytes", "where from")
    console().print(table("", columns, [[escaped(cell) for cell in row] for row in rows]))


def _amount(number: int) -> str:
    return f"{number:,}" if number else "no limit"
