"""A Prometheus beside the services: found on PATH, told its targets, given the alerts."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.monitoring.alert import rules
from mailweir_cli.monitoring.alerts import GROUPS
from mailweir_cli.up.places import Places
from mailweir_cli.up.plan import ProcessSpec
from mailweir_runtime.listen import HostPort

PROGRAM: Final = "prometheus"
NAMESPACE: Final = "local"
"""What dashboards show as the namespace; the pod is the service's name."""
SCRAPE_SECONDS: Final = 5
KEPT: Final = "15d"
RUNBOOKS: Final = "docs/runbooks/"


def find_prometheus() -> Path:
    """Return the program; raises CommandError where there is none."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise CommandError(
            Exit.UNAVAILABLE,
            "--prometheus: there is no prometheus on PATH; install it (Debian: `apt install prometheus`),"
            " or leave the option out",
        )
    return Path(found)


class Prometheus:
    """Its files, and who is to be asked."""

    def __init__(self, program: Path, listen: HostPort, places: Places) -> None:
        """Prepare; nothing is written before `spec`."""
        self._program = program
        self._listen = listen
        self._folder = places.prometheus
        self._told: Mapping[str, str] = {}

    def spec(self) -> ProcessSpec:
        """Write its configuration and return its process. Raises OSError."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        config = self._folder / "prometheus.yml"
        config.write_text(configuration())
        (self._folder / "rules.yml").write_text(rules(GROUPS, RUNBOOKS))
        self._write({})
        command = (
            str(self._program),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--storage.tsdb.retention.time={KEPT}",
            f"--web.listen-address={self._listen}",
            "--log.level=warn",
        )
        where = f"http://{self._listen}"
        return ProcessSpec(PROGRAM, command, where, port=self._listen.port, ready_path="/-/ready")

    def ask(self, addresses: Mapping[str, str]) -> None:
        """Have these asked from now on: metrics addresses by service."""
        if addresses != self._told:
            self._write(addresses)

    def _write(self, addresses: Mapping[str, str]) -> None:
        # Written beside and moved: Prometheus reads the file whenever it changes
        target = self._folder / "targets.json"
        fresh = target.with_suffix(".new")
        fresh.write_text(targets(addresses))
        fresh.replace(target)
        self._told = dict(addresses)


def configuration() -> str:
    """Return its configuration; names of files are relative to it."""
    lines = [
        "global:",
        f"  scrape_interval: {SCRAPE_SECONDS}s",
        f"  evaluation_interval: {SCRAPE_SECONDS}s",
        "rule_files: [rules.yml]",
        "scrape_configs:",
        "  - job_name: mailweir",
        f"    file_sd_configs: [{{files: [targets.json], refresh_interval: {SCRAPE_SECONDS}s}}]",
    ]
    return "\n".join(lines) + "\n"


def targets(addresses: Mapping[str, str]) -> str:
    """Return whom it asks, as JSON: one entry per service with the labels that the dashboards know."""
    entries = [
        {"targets": [address], "labels": {"namespace": NAMESPACE, "pod": name}}
        for name, address in sorted(addresses.items())
    ]
    return json.dumps(entries, indent=2) + "\n"
