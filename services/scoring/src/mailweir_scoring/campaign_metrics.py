"""What is counted about campaigns and fingerprints."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(frozen=True, slots=True)
class CampaignMetrics:
    """The metrics, ready to be counted."""

    shared: Gauge
    bus_failures: Counter
    fuzzy_entries: Gauge
    fuzzy_dropped: Counter


def declare_campaigns(registry: CollectorRegistry) -> CampaignMetrics:
    """Declare every metric on `registry`."""
    metrics = CampaignMetrics(
        shared=Gauge(
            "mailweir_scoring_campaigns_shared",
            "1 while copies are counted together with the other processes, 0 while alone.",
            registry=registry,
        ),
        bus_failures=Counter(
            "mailweir_scoring_campaign_bus_failures",
            "Counts that were not told or not understood, by cause.",
            ["cause"],
            registry=registry,
        ),
        fuzzy_entries=Gauge(
            "mailweir_scoring_fuzzy_entries",
            "Labelled fingerprints that are known.",
            registry=registry,
        ),
        fuzzy_dropped=Counter(
            "mailweir_scoring_fuzzy_dropped",
            "Labelled fingerprints left out of the book, by cause.",
            ["cause"],
            registry=registry,
        ),
    )
    for cause in ("unavailable", "unreadable"):
        metrics.bus_failures.labels(cause)
    for cause in ("unreadable", "limit"):
        metrics.fuzzy_dropped.labels(cause)
    return metrics
