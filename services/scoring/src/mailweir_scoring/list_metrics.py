"""What is counted of DNS lists."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_policy.answers import ListStatus


@dataclass(frozen=True, slots=True)
class ListMetrics:
    """The metrics, every series at zero from the start."""

    answers: Counter
    muted: Gauge


def declare_lists(registry: CollectorRegistry) -> ListMetrics:
    """Declare them on a registry."""
    metrics = ListMetrics(
        answers=Counter(
            "mailweir_scoring_list_answers",
            "Questions to DNS lists, by what came of them.",
            ["status"],
            registry=registry,
        ),
        muted=Gauge(
            "mailweir_scoring_muted_lists",
            "DNS lists that are not asked for a while, since they do not serve us; the log names them.",
            registry=registry,
        ),
    )
    for status in ListStatus:
        metrics.answers.labels(status)
    return metrics
