"""A release of the chart: install, upgrade, take back, and reach what is in it.

with release.api() as client: client.get("/services")
release.apply({"services": {"greylist": {"enabled": False}}})   # helm upgrade, values merged over the base
with release.changed({…}): …                                    # the same, undone at the end
"""

import base64
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import httpx2

from mailweir_testkit.cluster.tool import OUTSIDE_HOST, PYTHON, Cluster
from mailweir_testkit.processes import wait_until
from mailweir_testkit.rest import records
from mailweir_testkit.sink import Caught, read_record

Values = Mapping[str, Any]
READY_SECONDS: Final = 240.0
_SOON_SECONDS: Final = 20.0


def merged(base: Values, changes: Values) -> dict[str, Any]:
    """Return values with others over them, as helm merges: maps by key, everything else replaced."""
    made = deepcopy(dict(base))
    for key, value in changes.items():
        old = made.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        made[key] = merged(old, value) if both else deepcopy(value)  # type: ignore[arg-type]  # both are maps
    return made


@dataclass(frozen=True, slots=True)
class Release:
    """A release by name; `values` are what it was installed with, `directory` is for files of its clients."""

    cluster: Cluster
    chart: Path
    values: Values
    directory: Path
    name: str = "mail"
    namespace: str = "default"

    def object(self, part: str) -> str:
        """Return the name of an object: `mx`, `api`, `nats`, a service, …"""
        return f"{self.name}-mailweir-{part}"

    def host(self, part: str) -> str:
        """Return the name in the cluster's DNS of a Service."""
        return f"{self.object(part)}.{self.namespace}.svc.cluster.local"

    def kubectl(self, *arguments: str, data: str | None = None, check: bool = True) -> str:
        """Run kubectl in its namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments, data=data, check=check)

    # ------------------------------------------------------------ helm

    def install(self, seconds: float = READY_SECONDS) -> str:
        """Run `helm install --wait`; returns what it printed."""
        return self._helm("install", self.values, seconds, "--create-namespace")

    def apply(self, changes: Values, seconds: float = READY_SECONDS) -> str:
        """Run `helm upgrade --wait` with its values and `changes` over them; returns what it printed."""
        return self._helm("upgrade", merged(self.values, changes), seconds)

    @contextmanager
    def changed(self, changes: Values, seconds: float = READY_SECONDS) -> Iterator[None]:
        """Have other values for the block."""
        self.apply(changes, seconds)
        try:
            yield
        finally:
            self.apply({}, seconds)

    def rollback(self, seconds: float = READY_SECONDS) -> str:
        """Run `helm rollback --wait` to the revision before."""
        wait = ("--wait", f"--timeout={seconds:.0f}s")
        return self.cluster.helm("rollback", self.name, "-n", self.namespace, *wait)

    def test(self, seconds: float = 180.0) -> str:
        """Run `helm test` with the tests' logs; returns what it printed, raises CommandFailed."""
        options = ("-n", self.namespace, "--logs", f"--timeout={seconds:.0f}s")
        return self.cluster.helm("test", self.name, *options)

    @property
    def there(self) -> bool:
        """Say whether it is installed."""
        names = self.cluster.helm("list", "-q", "-n", self.namespace).split()
        return self.name in names

    def uninstall(self) -> None:
        """Remove it, its volumes too."""
        self.cluster.helm("uninstall", self.name, "-n", self.namespace, "--wait", check=False)
        mine = ("-l", f"app.kubernetes.io/instance={self.name}")
        self.kubectl("delete", "pvc,secret", *mine, "--ignore-not-found", check=False)

    def _helm(self, verb: str, values: Values, seconds: float, *options: str) -> str:
        where = ("-n", self.namespace, "-f", "-", "--wait", f"--timeout={seconds:.0f}s")
        text = json.dumps(values)
        return self.cluster.helm(verb, self.name, str(self.chart), *where, *options, data=text)

    # ------------------------------------------------------------ pods

    def pods(self, service: str = "") -> list[dict[str, Any]]:
        """Return the pods of a service (`nats` too), or all; those that end or have ended are left out."""
        label = f"app.kubernetes.io/instance={self.name}"
        if service:
            label += f",app.kubernetes.io/component={service}"
        found = self.cluster.objects("pods", "-n", self.namespace, "-l", label)
        return [
            pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
            and pod["status"]["phase"] not in ("Succeeded", "Failed")
        ]

    def restart(self, kind_and_name: str, seconds: float = READY_SECONDS) -> None:
        """Restart a workload (`deployment/…`, `statefulset/…`) in a rolling way; returns at its end."""
        self.kubectl("rollout", "restart", kind_and_name)
        self.kubectl("rollout", "status", kind_and_name, f"--timeout={seconds:.0f}s")

    def logs(self, service: str, lines: int = 200) -> str:
        """Return the last lines of all pods of a service."""
        label = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={service}"
        return self.kubectl("logs", "-l", label, f"--tail={lines}", "--prefix", check=False)

    def metrics(self, pod: Mapping[str, Any]) -> str:
        """Return what a pod answers at /metrics."""
        return self.cluster.fetch(f"http://{pod['status']['podIP']}:9100/metrics")

    # ------------------------------------------------------------ reaching it

    @property
    def mx(self) -> str:
        """Return the address of the MX Service; its port is 25."""
        return self.balancer("mx")

    def balancer(self, part: str) -> str:
        """Return the address of a Service of type LoadBalancer."""
        (service,) = self.cluster.objects("service", self.object(part), "-n", self.namespace)
        return str(service["status"]["loadBalancer"]["ingress"][0]["ip"])

    @property
    def admin_key(self) -> str:
        """Return the admin key out of its Secret."""
        (secret,) = self.cluster.objects("secret", self.object("admin-key"), "-n", self.namespace)
        return base64.b64decode(secret["data"]["admin.key"]).decode().strip()

    @contextmanager
    def socket(self, host: str, port: int) -> Iterator[Path]:
        """Return a unix socket that leads to an address of the cluster's network, for the block."""
        # A socket's path must be short: the test's own folder is not
        folder = Path(mkdtemp(prefix="mw-"))
        path = folder / "s"
        command = (PYTHON, "-m", "mailweir_testkit.cluster.relay", str(path), host, str(port))
        try:
            with self.cluster.process("exec", *command, log=folder / "log"):
                wait_until(path.exists, _SOON_SECONDS, "the relay")
                yield path
        finally:
            shutil.rmtree(folder)

    @contextmanager
    def port_forward(self, target: str, port: int) -> Iterator[Path]:
        """Run `kubectl port-forward TARGET` (`service/…`, `pod/…`); returns a socket that leads there."""
        log = Path(mkdtemp(prefix="forward-", dir=self.directory)) / "log"
        command = ("kubectl", "-n", self.namespace, "port-forward", target, f":{port}")
        with self.cluster.process(*command, log=log):
            wait_until(
                lambda: "Forwarding from 127" in log.read_text(), _SOON_SECONDS, "port-forward"
            )
            local = log.read_text().partition("127.0.0.1:")[2].partition(" ")[0]
            with self.socket("127.0.0.1", int(local)) as path:
                yield path

    @contextmanager
    def api(self, *, forwarded: bool = False) -> Iterator[httpx2.Client]:
        """Return a client of the REST API, its key included; `forwarded`: through a port-forward."""
        way = (
            self.port_forward(f"service/{self.object('api')}", 8080)
            if forwarded
            else self.socket(self.host("api"), 8080)
        )
        with (
            way as path,
            httpx2.Client(
                base_url="http://api/api/v1",
                headers={"Authorization": f"Bearer {self.admin_key}"},
                transport=httpx2.HTTPTransport(uds=str(path)),
                timeout=30,
            ) as client,
        ):
            yield client

    def records(self) -> dict[str, dict[str, Any]]:
        """Return every record by its id."""
        with self.api() as client:
            return records(client)


@contextmanager
def installed(release: Release) -> Iterator[Release]:
    """Have another release for the block, in a namespace of its own that goes with it."""
    release.install()
    try:
        yield release
    finally:
        release.uninstall()
        release.cluster.kubectl("delete", "namespace", release.namespace, "--ignore-not-found")


class OutsideSink:
    """A next hop on the host outside."""

    def __init__(self, port: int, record: Path) -> None:
        """Use `outside_sink`."""
        self.port = port
        self.record = record

    @property
    def url(self) -> str:
        """Return it as a next hop."""
        return f"smtp://{OUTSIDE_HOST}:{self.port}"

    @property
    def mails(self) -> list[Caught]:
        """Return what has come so far; times are this machine's monotonic seconds."""
        return read_record(self.record)

    def wait_for(self, fits: Callable[[Caught], bool], seconds: float = 60.0) -> Caught:
        """Return the first mail that fits; raises TimeoutError."""
        found: list[Caught] = []

        def there() -> bool:
            found[:] = [mail for mail in self.mails if fits(mail)]
            return bool(found)

        wait_until(there, seconds, "a mail at the sink", pause=0.2)
        return found[0]


@contextmanager
def outside_sink(cluster: Cluster, directory: Path) -> Iterator[OutsideSink]:
    """Run a sink on the host outside, on a port that the system chose."""
    log, record = directory / "sink.log", directory / "sink.jsonl"
    where = ("--listen", f"{OUTSIDE_HOST}:0", "--record", str(record))
    with cluster.process("outside", PYTHON, "-m", "mailweir_testkit.sink", *where, log=log):
        wait_until(
            lambda: log.exists() and log.read_text().endswith("\n"), _SOON_SECONDS, "the sink"
        )
        yield OutsideSink(int(log.read_text().split()[-1]), record)


def images(tag: str) -> dict[str, Any]:
    """Return the values that take images which were built here."""
    return {"image": {"tag": tag, "pullPolicy": "IfNotPresent"}}


def eventually(check: Callable[[], object], seconds: float, what: str, pause: float = 1.0) -> float:
    """Wait until `check` is true, failed commands counting as false; returns the seconds it took."""
    begun = time.monotonic()
    wait_until(check, seconds, what, pause)
    return time.monotonic() - begun


def container_started(pod: Mapping[str, Any]) -> Sequence[str]:
    """Return when a pod's containers started (RFC 3339)."""
    states = pod["status"].get("containerStatuses", ())
    return [state["state"].get("running", {}).get("startedAt", "") for state in states]
