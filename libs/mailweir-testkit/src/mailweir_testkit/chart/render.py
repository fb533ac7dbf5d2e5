"""The chart, rendered by Helm's own engine without a cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from helm_python.chart import Chart

from mailweir_testkit.chart.objects import (
    Autoscaler,
    Budget,
    NetworkPolicy,
    Service,
    Shape,
    Workload,
)

S = TypeVar("S", bound=Shape)
RELEASE: Final = "mail"
NAMESPACE: Final = "default"
KINDS: Final = ("Deployment", "DaemonSet", "StatefulSet")


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering, and the notes."""

    release: str
    objects: tuple[dict[str, Any], ...]
    notes: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, suffix: str) -> dict[str, Any]:
        """Return the object `<release>-mailweir-<suffix>` of a kind."""
        name = f"{self.release}-mailweir-{suffix}"
        [found] = [thing for thing in self.of(kind) if thing["metadata"]["name"] == name]
        return found

    @cached_property
    def workloads(self) -> dict[str, Workload]:
        """Return everything that runs pods, by component."""
        found = [Workload.model_validate(o) for o in self.objects if o["kind"] in KINDS]
        return {w.metadata.labels["app.kubernetes.io/component"]: w for w in found}

    @property
    def services(self) -> dict[str, Workload]:
        """Return the workloads of our own services, without NATS."""
        return {name: found for name, found in self.workloads.items() if name != "nats"}

    @cached_property
    def cluster_services(self) -> dict[str, Service]:
        """Return Kubernetes' Services by the end of their names."""
        return self._by_suffix("Service", Service)

    @cached_property
    def autoscalers(self) -> dict[str, Autoscaler]:
        """Return the autoscalers by service."""
        return self._by_suffix("HorizontalPodAutoscaler", Autoscaler)

    @cached_property
    def budgets(self) -> dict[str, Budget]:
        """Return the disruption budgets by component."""
        return self._by_suffix("PodDisruptionBudget", Budget)

    @cached_property
    def policies(self) -> dict[str, NetworkPolicy]:
        """Return the NetworkPolicies by component."""
        return self._by_suffix("NetworkPolicy", NetworkPolicy)

    def _by_suffix(self, kind: str, shape: type[S]) -> dict[str, S]:
        start = len(f"{self.release}-mailweir-")
        return {o["metadata"]["name"][start:]: shape.model_validate(o) for o in self.of(kind)}


def render(
    chart: Chart,
    values: Mapping[str, Any] | None = None,
    *,
    release: str = RELEASE,
    is_upgrade: bool = False,
) -> Rendered:
    """Render; raises helm_python's errors for values that are refused."""
    texts = chart.render(
        dict(values or {}),
        name=release,
        namespace=NAMESPACE,
        is_install=not is_upgrade,
        is_upgrade=is_upgrade,
    )
    notes = "".join(text for path, text in texts.items() if path.endswith("NOTES.txt"))
    manifests = (text for path, text in texts.items() if not path.endswith("NOTES.txt"))
    return Rendered(release, tuple(documents(manifests)), notes)


def documents(texts: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Yield the objects in YAML texts."""
    for text in texts:
        for document in yaml.load_all(text, Loader=_LOADER):
            if document:
                yield document


def load_values(path: Path) -> dict[str, Any]:
    """Return a file of values."""
    return yaml.load(path.read_text("utf-8"), Loader=_LOADER) or {}  # noqa: S506 - as above


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
