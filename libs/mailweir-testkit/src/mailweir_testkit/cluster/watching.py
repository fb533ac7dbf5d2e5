"""A Prometheus in the cluster that scrapes a release by its annotations, and what it has to say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from mailweir_testkit.cluster.release import Release, eventually
from mailweir_testkit.panels import Sample, result

NAMESPACE: Final = "monitoring"
"""From where the chart lets metrics be scraped."""
NAME: Final = "prometheus"
IMAGE: Final = "prom/prometheus:latest"
PORT: Final = 9090
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
        cluster.apply(objects(release.namespace, rules))
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
        cluster.kubectl(
            "delete", "clusterrole,clusterrolebinding", f"{NAME}-test", "--ignore-not-found"
        )


def objects(scraped: str, rules: str) -> list[dict[str, Any]]:
    """Return everything that it needs."""
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{NAME}-test"}
    reads = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named(NAME)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": f"{NAME}-test"}, "rules": [reads],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{NAME}-test"}, "roleRef": role, "subjects": [subject],
        },
        {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(NAME),
            "data": {"prometheus.yml": configuration(scraped), "rules.yml": rules},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": _named(NAME), "spec": _pod()},
    ]  # fmt: skip


def configuration(scraped: str) -> str:
    """Return the configuration that the guide shows, for one namespace. JSON, which is YAML too."""
    annotated = "__meta_kubernetes_pod_annotation_prometheus_io_scrape"
    relabelled = [
        {"source_labels": [annotated], "action": "keep", "regex": "true"},
        {
            "source_labels": ["__meta_kubernetes_pod_container_port_name"],
            "action": "keep", "regex": "http-metrics",
        },
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]  # fmt: skip
    found = {"role": "pod", "namespaces": {"names": [scraped]}}
    job = {"job_name": "mailweir", "kubernetes_sd_configs": [found], "relabel_configs": relabelled}
    every = f"{SCRAPE_SECONDS}s"
    times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    return json.dumps({"global": times, "rule_files": ["rules.yml"], "scrape_configs": [job]})


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
    return {"serviceAccountName": NAME, "containers": [container], "volumes": [volume]}
