"""A Prometheus in the cluster that scrapes a release, and what it has to say.

Debian's Prometheus cannot ask Kubernetes for pods. It finds them by the headless Services instead, whose
names stand for the addresses of their pods; a pod is called by its service and address.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from mailweir_testkit.cluster.release import Release, eventually
from mailweir_testkit.cluster.tool import SERVICES
from mailweir_testkit.panels import Sample, result

NAMESPACE: Final = "monitoring"
"""From where the chart lets metrics be scraped."""
NAME: Final = "prometheus"
IMAGE: Final = "prom/prometheus:latest"
PORT: Final = 9090
METRICS_PORT: Final = 9100
SCRAPE_SECONDS: Final = 2
_LABELS: Final = {"app": NAME}


@dataclass(frozen=True, slots=True)
class Watch:
    """A running one."""

    client: httpx2.Client

    def ask(self, query: str) -> list[Sample]:
        """Return what a query gives now; raises QueryRefused."""
        return result(self.client.post("/api/v1/query", data={"query": query}).text)

    def targets(self) -> dict[str, str]:
        """Return the health of each pod it scrapes."""
        answer = self.client.get("/api/v1/targets").json()
        return {t["labels"]["pod"]: t["health"] for t in answer["data"]["activeTargets"]}

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        found = self.ask('ALERTS{alertstate="firing"}')
        return {sample["metric"]["alertname"] for sample in found}

    def fires(self, names: set[str], seconds: float) -> None:
        """Wait until all of them fire; raises TimeoutError."""
        eventually(lambda: names <= self.firing(), seconds, f"{sorted(names)} to fire")

    def clears(self, names: set[str], seconds: float) -> None:
        """Wait until none of them fires; raises TimeoutError."""
        eventually(lambda: not names & self.firing(), seconds, f"{sorted(names)} to be over")


@contextmanager
def watching(release: Release, rules: str) -> Iterator[Watch]:
    """Run a Prometheus with rules for the block, in its namespace, which goes at the end."""
    cluster = release.cluster
    cluster.kubectl("create", "namespace", NAMESPACE, check=False)
    try:
        cluster.apply(objects(release, rules))
        cluster.kubectl(
            "-n", NAMESPACE, "wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=90s"
        )
        (pod,) = cluster.objects("pod", NAME, "-n", NAMESPACE)
        with (
            release.socket(pod["status"]["podIP"], PORT) as path,
            httpx2.Client(
                base_url="http://prometheus",
                transport=httpx2.HTTPTransport(uds=str(path)),
                timeout=30,
            ) as client,
        ):
            watch = Watch(client)
            eventually(lambda: watch.ask("up"), 60, "Prometheus to scrape")
            yield watch
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def objects(release: Release, rules: str) -> list[dict[str, Any]]:
    """Return everything that it needs."""
    data = {"prometheus.yml": configuration(release), "rules.yml": rules}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(NAME), "data": data},
        {"apiVersion": "v1", "kind": "Pod", "metadata": _named(NAME), "spec": _pod()},
    ]


def configuration(release: Release) -> str:
    """Return its configuration. JSON, which is YAML too."""
    every = f"{SCRAPE_SECONDS}s"
    times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    jobs = [_job(release, service) for service in SERVICES]
    return json.dumps({"global": times, "rule_files": ["rules.yml"], "scrape_configs": jobs})


def _job(release: Release, service: str) -> dict[str, Any]:
    """Return how the pods of one service are found and called."""
    names = {"names": [release.host(service)], "type": "A", "port": METRICS_PORT}
    pod = {
        "source_labels": ["__address__"], "regex": "(.*):.*",
        "target_label": "pod", "replacement": f"{release.object(service)}-$1",
    }  # fmt: skip
    namespace = {"target_label": "namespace", "replacement": release.namespace}
    return {
        "job_name": service,
        "dns_sd_configs": [{**names, "refresh_interval": f"{SCRAPE_SECONDS}s"}],
        "relabel_configs": [pod, namespace],
    }


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": _LABELS}


def _pod() -> dict[str, Any]:
    probe = {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 2}
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}],
        "resources": {"requests": {"cpu": "10m"}},
        "readinessProbe": probe,
    }
    volume = {"name": "config", "configMap": {"name": NAME}}
    return {"containers": [container], "volumes": [volume], "automountServiceAccountToken": False}
