"""Which processes run, by which command and settings, and in which order they end."""

import json
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mailweir_cli.up.disk import reserve
from mailweir_cli.up.options import UpOptions
from mailweir_cli.up.places import Places
from mailweir_runtime.bus.server import server_config, store_limit, write_config

DRAIN_SECONDS: Final = 30.0
"""What each service gets to finish its work."""
STOP_ORDER: Final = (
    "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway", "nats",
    "prometheus",
)  # fmt: skip
"""First who takes mail in, then whom it asks, last who stores it."""
EDGE: Final = ("reputation", "greylist", "ratelimit")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to be kept running.

    Another program that speaks HTTP has its `port` and `ready_path`, which answers 200 once it serves.
    `environment` is set whatever the surroundings say, `defaults` where they say nothing. A service has
    `probe_variable`, the setting that takes its metrics address; the nats-server has its `port`.
    """

    name: str
    command: tuple[str, ...]
    listens: str
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    probe_variable: str = ""
    port: int = 0
    ready_path: str = ""
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Broker:
    """The nats-server of this run: its port, and the word that clients must know.

    Without the word every account of the machine could read and change mail on its way.
    """

    port: int
    token: str

    @property
    def url(self) -> str:
        """Return what services connect to."""
        return f"nats://{self.token}@127.0.0.1:{self.port}"


def new_broker(port: int) -> Broker:
    """Return a broker for a port, with a word of its own."""
    return Broker(port, secrets.token_urlsafe(24))


def store_directory(places: Places) -> Path:
    """Return where the nats-server keeps its streams."""
    return places.nats / "store"


def nats_spec(program: Path, broker: Broker, options: UpOptions, places: Places) -> ProcessSpec:
    """Write the nats-server's configuration and return its process."""
    config = places.nats / "server.conf"
    text = server_config(
        store_directory(places), "127.0.0.1", broker.port, max_store_bytes=options.store_limit_bytes
    )
    write_config(config, f'{text}authorization {{ token: "{broker.token}" }}\n')
    # SIGINT: it flushes, closes its stores and exits with 0
    return ProcessSpec(
        "nats",
        (str(program), "-c", str(config)),
        f"127.0.0.1:{broker.port}",
        port=broker.port,
        stop_signal=signal.SIGINT,
    )


def service_specs(options: UpOptions, places: Places, broker: Broker) -> list[ProcessSpec]:
    """Return the services' processes. Ports in `options` are settled."""
    defaults = {"DRAIN_SECONDS": f"{DRAIN_SECONDS:g}", "LOG_FORMAT": "json"}
    own: dict[str, tuple[str, dict[str, str]]] = {
        "quarantine": _quarantine(places),
        "reputation": ("", {"LISTEN": places.socket("reputation"), "DNS": options.dns}),
        "greylist": ("", {"LISTEN": places.socket("greylist")}),
        "ratelimit": _ratelimit(places),
        "scoring": _scoring(options, places),
        "delivery": ("", {"DNS": options.dns}),
        "gateway": _gateway(options, places),
        "ingress": _ingress(options, places),
    }
    return [
        ProcessSpec(
            name,
            (sys.executable, "-m", f"mailweir_{name}"),
            listens,
            _variables(name, {"NATS_URL": broker.url, **settings}),
            _variables(name, defaults),
            f"MAILWEIR_{name.upper()}_METRICS_LISTEN",
        )
        for name, (listens, settings) in own.items()
    ]


def _variables(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {f"MAILWEIR_{service.upper()}_{key}": value for key, value in settings.items()}


def _quarantine(places: Places) -> tuple[str, dict[str, str]]:
    return "", {
        "LISTEN": places.socket("quarantine"),
        "DATABASE_URL": places.database("quarantine"),
    }


def _ratelimit(places: Places) -> tuple[str, dict[str, str]]:
    return "", {
        "LISTEN": places.socket("ratelimit"),
        "QUARANTINE_TARGET": places.socket("quarantine"),
    }


def _edge(places: Places) -> dict[str, str]:
    """Return where the edge's services are, for who asks them."""
    return {f"{name.upper()}_TARGET": places.socket(name) for name in EDGE}


def _scoring(options: UpOptions, places: Places) -> tuple[str, dict[str, str]]:
    directories = ",".join(map(str, options.spamassassin))
    return "", {
        "LISTEN": places.socket("scoring"),
        "DNS": options.dns,
        "SPAMASSASSIN_DIR": directories,
        "SPAMASSASSIN_CACHE_DIR": str(places.patterns) if directories else "",
    }


def _gateway(options: UpOptions, places: Places) -> tuple[str, dict[str, str]]:
    return f"http://{options.http}", {
        "LISTEN": str(options.http),
        "QUARANTINE_TARGET": places.socket("quarantine"),
        **_edge(places),
        "DATABASE_URL": places.database("gateway"),
        "INITIAL_POLICY_FILE": str(places.first_policy),
        "KEY_FILE": str(places.admin_key),
        "DEMO_PASSWORD_FILE": str(places.demo_password),
        "STORE_LIMIT_BYTES": str(options.store_limit_bytes or store_limit(store_directory(places))),
    }


def _ingress(options: UpOptions, places: Places) -> tuple[str, dict[str, str]]:
    return f"smtp {options.smtp}, submission {options.submission}", {
        "MX_LISTEN": str(options.smtp),
        "SUBMISSION_LISTEN": str(options.submission),
        "SUBMISSIONS_LISTEN": "",
        "TLS_CERT_FILE": str(places.certificate),
        "TLS_KEY_FILE": str(places.certificate_key),
        "SIGNING_KEYS_DIR": str(places.signing_keys),
        "STORE_DIRECTORY": str(places.data),
        "STORE_FREE_BYTES": str(reserve(places.data)),
        "SCORING_TARGET": places.socket("scoring"),
        **_edge(places),
    }


def state_document(options: UpOptions, pid: int, nats_port: int) -> str:
    """Return what runs where, as JSON for programs that look for it."""
    where: dict[str, str | int] = {
        "pid": pid,
        "smtp": str(options.smtp),
        "submission": str(options.submission),
        "http": str(options.http),
        "nats": f"127.0.0.1:{nats_port}",
    }
    if options.prometheus is not None:
        where["prometheus"] = str(options.prometheus)
    return json.dumps(where, indent=2) + "\n"
