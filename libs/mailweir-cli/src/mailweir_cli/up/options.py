"""What `mailweir up` was asked for."""

from dataclasses import dataclass
from pathlib import Path

from mailweir_cli.exits import CommandError, Exit
from mailweir_runtime.listen import HostPort, parse_host_port


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options, checked for their form. Ports of 0 are chosen by the system before anything starts."""

    data: Path
    smtp: HostPort
    submission: HostPort
    http: HostPort
    next_hop: str = ""
    proxy_from: tuple[str, ...] = ()
    assignments: tuple[str, ...] = ()
    dns: str = ""
    spamassassin: tuple[Path, ...] = ()
    store_limit_bytes: int | None = None
    prometheus: HostPort | None = None
    samples: bool = True
    once: bool = False
    plain: bool = False


def listen_option(option: str, text: str) -> HostPort:
    """Return the address of `PORT` or `HOST:PORT`; loopback where no host is named."""
    try:
        return parse_host_port(text if ":" in text else f"127.0.0.1:{text}")
    except ValueError as error:
        raise CommandError(Exit.INVALID, f"{option} {text}: {error}") from error
