"""What the reputation service counts."""

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_reputation.acquaintance_metrics import (
    AcquaintanceMetrics,
    declare_acquaintances,
)
from mailweir_reputation.list_metrics import ListMetrics, declare_lists
from mailweir_reputation.policy.items import Phase
from mailweir_runtime.dns import DnsMetrics, declare as declare_dns

SECONDS_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics, every series at zero from the start."""

    checks: Counter
    advice: Counter
    seconds: Histogram
    crashed: Counter
    dns: DnsMetrics
    lists: ListMetrics
    acquaintances: AcquaintanceMetrics
    by_status: dict[tuple[Phase, Status], Counter] = field(default_factory=dict)
    by_advice: dict[tuple[Phase, Advice], Counter] = field(default_factory=dict)
    by_phase: dict[Phase, Histogram] = field(default_factory=dict)
    """Series by their labels: looking one up through the client library costs more than counting."""

    def count(self, phase: Phase, outcome: Outcome) -> None:
        """Count a check."""
        self.by_status[phase, outcome.status].inc()
        self.by_advice[phase, outcome.advice].inc()


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare every metric on a registry."""
    metrics = Metrics(
        checks=Counter(
            "mailweir_reputation_checks",
            "Checks, by phase of the session and by how they ended.",
            ["phase", "status"],
            registry=registry,
        ),
        advice=Counter(
            "mailweir_reputation_advice",
            "Checks that advised something, by phase and advice.",
            ["phase", "advice"],
            registry=registry,
        ),
        seconds=Histogram(
            "mailweir_reputation_check_seconds",
            "Time of a check.",
            ["phase"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        ),
        crashed=Counter(
            "mailweir_reputation_crashed_checks",
            "Checks that ended in an error of the program.",
            registry=registry,
        ),
        dns=declare_dns(registry, "reputation"),
        lists=declare_lists(registry),
        acquaintances=declare_acquaintances(registry),
    )
    for phase in Phase:
        metrics.by_phase[phase] = metrics.seconds.labels(phase)
        for status in Status:
            metrics.by_status[phase, status] = metrics.checks.labels(phase, status)
        for advice in Advice:
            metrics.by_advice[phase, advice] = metrics.advice.labels(phase, advice)
    return metrics
