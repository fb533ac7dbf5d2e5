"""`mailweir up`: everything on one machine."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.output import console
from mailweir_cli.up.app import run_up
from mailweir_cli.up.options import UpOptions, listen_option
from mailweir_core.clock import SystemClock
from mailweir_runtime.dns import parse_nameservers

_PORT = "[HOST:]PORT"

Data = Annotated[Path, typer.Option(help="Where everything is kept.")]
Smtp = Annotated[str, typer.Option(metavar=_PORT, help="Mail from other servers.")]
Submission = Annotated[str, typer.Option(metavar=_PORT, help="Mail from our users.")]
Http = Annotated[str, typer.Option(metavar=_PORT, help="Console and REST.")]
NextHop = Annotated[
    str,
    typer.Option(
        metavar="URL",
        show_default=False,
        help="Where mail goes: smtp://host:port, lmtp://host:port or maildir:///path."
        " First start only. [default: a Maildir in the data directory]",
    ),
]
ProxyFrom = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="Proxies whose PROXY header is read, and must be there; may be repeated."
        " First start only.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Set a policy field; may be repeated. First start only.",
    ),
]
Dns = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="The resolver to ask: for next hops in place of the system's, and for SPF, DKIM, DMARC"
        " and lists, which are not looked up without it.",
    ),
]
SpamAssassin = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Judge with SpamAssassin's rule files (*.cf) too; again for a directory over it.",
        show_default=False,
    ),
]
StoreLimit = Annotated[
    int | None,
    typer.Option(
        metavar="MB",
        min=16,
        show_default=False,
        help="Most disk that mail on its way and held mail may take. [default: 3/4 of what is free]",
    ),
]
WithPrometheus = Annotated[
    bool,
    typer.Option(
        "--prometheus",
        help="Run the Prometheus that is on PATH beside it, with all services and alerts.",
    ),
]
PrometheusListen = Annotated[str, typer.Option(metavar=_PORT, help="Where Prometheus serves.")]
Samples = Annotated[
    bool, typer.Option("--samples/--no-samples", help="Send twelve sample mails in.")
]
Once = Annotated[
    bool,
    typer.Option("--once", help="End after the samples: 0 if all is as it should be, else 1."),
]
Plain = Annotated[bool, typer.Option("--plain", help="Lines in place of a live table.")]


def up(  # noqa: PLR0913 - a command's options are its parameters
    data: Data = Path("var"),
    smtp: Smtp = "2525",
    submission: Submission = "2587",
    http: Http = "8080",
    next_hop: NextHop = "",
    proxy_from: ProxyFrom = None,
    assignments: Assignments = None,
    dns: Dns = "",
    spamassassin: SpamAssassin = None,
    store_limit: StoreLimit = None,
    prometheus: WithPrometheus = False,
    prometheus_listen: PrometheusListen = "9090",
    samples: Samples = True,
    once: Once = False,
    plain: Plain = False,
) -> None:
    """Run a nats-server and all services on this machine until Ctrl-C.

    Every process is started again when it dies. Ctrl-C lets running work finish,
    a second one does not. The next `up` with the same data directory goes on
    where this one stopped.
    """
    options = UpOptions(
        data=data.expanduser().absolute(),
        smtp=listen_option("--smtp", smtp),
        submission=listen_option("--submission", submission),
        http=listen_option("--http", http),
        next_hop=next_hop,
        proxy_from=tuple(proxy_from or ()),
        assignments=tuple(assignments or ()),
        dns=_checked_dns(dns),
        spamassassin=_checked_directories(spamassassin or []),
        store_limit_bytes=None if store_limit is None else store_limit * 1024 * 1024,
        prometheus=listen_option("--prometheus-listen", prometheus_listen) if prometheus else None,
        samples=samples,
        once=once,
        plain=plain,
    )
    surroundings = dict(os.environ)  # noqa: TID251 - the children inherit it, nothing here reads it
    code = asyncio.run(run_up(options, surroundings, console(), SystemClock()))
    if code:
        raise typer.Exit(code)


def _checked_directories(directories: list[Path]) -> tuple[Path, ...]:
    for directory in directories:
        if not directory.is_dir() or "," in str(directory):
            raise CommandError(
                Exit.INVALID, f"--spamassassin {directory}: no directory, or a comma in its name"
            )
    return tuple(d.expanduser().absolute() for d in directories)


def _checked_dns(text: str) -> str:
    if not text:
        return ""
    try:
        servers = parse_nameservers(text)
    except ValueError as error:
        raise CommandError(Exit.INVALID, f"--dns {text}: {error}") from error
    if len(servers) != 1:
        raise CommandError(Exit.INVALID, f"--dns {text}: name one server")
    return str(servers[0])
