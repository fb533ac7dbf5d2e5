"""Checks of a running `mailweir up`: who is there, do the ports answer, what do the services say."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mailweir_cli.api import KEY_FILE, Api, read_key
from mailweir_cli.doctor.finding import Finding, Health
from mailweir_cli.exits import CommandError
from mailweir_cli.up.preflight import reserved
from mailweir_runtime.listen import HostPort, parse_host_port

DEFAULTS: Final = {
    "smtp": "127.0.0.1:2525",
    "submission": "127.0.0.1:2587",
    "http": "127.0.0.1:8080",
}
_SECONDS: Final = 5.0


def what_runs(data: Path) -> Mapping[str, Any]:
    """Return what the `up` of a data directory wrote down; empty where none runs."""
    try:
        state = json.loads((data / "up.json").read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def check_running(data: Path) -> Iterator[Finding]:
    """Yield the checks of a running instance; where none runs, whether its ports are free."""
    state = what_runs(data)
    if not state:
        for name, address in DEFAULTS.items():
            yield check_free(name, parse_host_port(address))
        return
    for name in ("smtp", "submission"):
        yield check_smtp(name, parse_host_port(str(state[name])))
    yield from check_services(data, str(state["http"]))


def check_free(name: str, listen: HostPort) -> Finding:
    """See whether `up` could listen there."""
    try:
        reserved(f"--{name}", listen).close()
    except CommandError as error:
        return Finding(f"port {name}", Health.WARN, error.lines[0], f"up --{name} PORT")
    return Finding(f"port {name}", Health.OK, f"{listen} is free")


def check_smtp(name: str, address: HostPort) -> Finding:
    """See whether the port greets as an SMTP server."""
    host = "127.0.0.1" if address.host in ("", "0.0.0.0", "::") else address.host
    remedy = "look into the log of ingress; `mailweir up` shows where"
    try:
        with socket.create_connection((host, address.port), timeout=_SECONDS) as sock:
            greeting = sock.recv(512).decode("utf-8", "replace").strip()
            sock.sendall(b"QUIT\r\n")
    except OSError as error:
        return Finding(f"port {name}", Health.FAIL, f"{address}: {error}", remedy)
    if greeting.startswith("220"):
        return Finding(f"port {name}", Health.OK, f"{address}: {greeting[:60]}")
    return Finding(f"port {name}", Health.FAIL, f"{address} said {greeting[:60]!r}", remedy)


def check_services(data: Path, address: str) -> Iterator[Finding]:
    """Yield what each service says of itself over REST."""
    try:
        with Api(f"http://{address}", read_key(data)) as api:
            services = api.get("/services")
    except CommandError as error:
        remedy = f"see whether the gateway runs, and {data / KEY_FILE}"
        yield Finding("services", Health.FAIL, error.lines[0], remedy)
        return
    listed = services.get("items", services) if isinstance(services, dict) else services
    for service in listed:
        yield _service(service)


def _service(service: Mapping[str, Any]) -> Finding:
    state = str(service.get("state", ""))
    detail = ", ".join(
        f"{key} {service[key]}" for key in ("version", "config", "rules") if service.get(key)
    )
    name = f"service {service.get('name', '?')}"
    if state == "ready":
        return Finding(name, Health.OK, f"ready, {detail}")
    said = ": ".join(part for part in (state, str(service.get("detail", ""))) if part)
    return Finding(name, Health.WARN, f"{said}, {detail}", "look into its log")
