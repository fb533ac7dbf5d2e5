"""What the greylist service counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_greylist.policy.answers import Lost
from mailweir_greylist.policy.candidates import Spared
from mailweir_greylist.policy.entry import LISTED
from mailweir_greylist.policy.steps import Found

FINDINGS: Final = (*Spared, *Found, *Lost)
UNREADABLE: Final = "unreadable"
FAILURES: Final = (*Lost, UNREADABLE)
STORE_EDGES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
WAIT_EDGES: Final = (60.0, 180.0, 300.0, 600.0, 1200.0, 3600.0, 10_800.0, 43_200.0, 172_800.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics, ready to be counted."""

    recipients: Counter
    deferred: Counter
    store_failures: Counter
    store_seconds: Histogram
    wait_seconds: Histogram
    entries: Gauge
    dropped: Counter
    log_only: Gauge
    flush_failures: Counter


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare them, each label at zero."""
    metrics = Metrics(
        recipients=_counter(
            registry, "recipients", "Recipients looked at, by what was found.", "finding", FINDINGS
        ),
        deferred=_counter(registry, "deferred_recipients", "Recipients that were put off."),
        store_failures=_counter(
            registry, "store_failures", "What the store did not do, by cause.", "cause", FAILURES
        ),
        store_seconds=_histogram(
            registry, "store_seconds", "Time that a batch spent with the store.", STORE_EDGES
        ),
        wait_seconds=_histogram(
            registry, "wait_seconds", "Time from first sight to the return in time.", WAIT_EDGES
        ),
        entries=Gauge(
            "mailweir_greylist_entries", "Entries that can be listed, by state.", ("state",),
            registry=registry,
        ),
        dropped=_counter(registry, "unlisted_entries", "Entries too many to be listed."),
        log_only=Gauge(
            "mailweir_greylist_log_only", "1 while nobody is deferred.", registry=registry
        ),
        flush_failures=_counter(
            registry, "flush_failures", "Times that counts of the forecast could not be stored."
        ),
    )  # fmt: skip
    for state in LISTED:
        metrics.entries.labels(state).set(0)
    return metrics


def _counter(
    registry: CollectorRegistry, name: str, about: str, label: str = "", values: Iterable[str] = ()
) -> Counter:
    labels = (label,) if label else ()
    counter = Counter(f"mailweir_greylist_{name}_total", about, labels, registry=registry)
    for value in values:
        counter.labels(value)
    return counter


def _histogram(
    registry: CollectorRegistry, name: str, about: str, edges: tuple[float, ...]
) -> Histogram:
    return Histogram(f"mailweir_greylist_{name}", about, buckets=edges, registry=registry)
