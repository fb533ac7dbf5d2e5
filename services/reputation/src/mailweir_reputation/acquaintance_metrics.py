"""What is counted of lists of our own, histories and correspondents."""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_core.entries import EntryKind

FAILURES: Final = ("slow", "away")
EVENTS: Final = ("counted", "correspondence", "ignored", "unreadable")


@dataclass(frozen=True, slots=True)
class AcquaintanceMetrics:
    """The metrics, every series at zero from the start."""

    entries: Gauge
    entries_skipped: Counter
    entry_hits: Counter
    hits_unwritten: Counter
    store_failures: Counter
    records_unreadable: Counter
    conflicts: Counter
    events: Counter


def declare_acquaintances(registry: CollectorRegistry) -> AcquaintanceMetrics:
    """Declare every metric on a registry."""
    metrics = AcquaintanceMetrics(
        entries=Gauge(
            "mailweir_reputation_entries",
            "Entries of allow and block lists in force.",
            registry=registry,
        ),
        entries_skipped=Counter(
            "mailweir_reputation_skipped_entries",
            "Entries of allow and block lists that could not be read and were left out.",
            registry=registry,
        ),
        entry_hits=Counter(
            "mailweir_reputation_entry_hits",
            "Answers that an entry of a list decided, by kind.",
            ["kind"],
            registry=registry,
        ),
        hits_unwritten=Counter(
            "mailweir_reputation_unwritten_entry_hits",
            "Times that counts of hits could not be stored and were kept for later.",
            registry=registry,
        ),
        store_failures=Counter(
            "mailweir_reputation_store_failures",
            "Answers without history or correspondents, because their store was slow or away.",
            ["why"],
            registry=registry,
        ),
        records_unreadable=Counter(
            "mailweir_reputation_unreadable_records",
            "Histories that could not be read and begin anew.",
            registry=registry,
        ),
        conflicts=Counter(
            "mailweir_reputation_record_conflicts",
            "Histories that another process wrote first, so that they were read again.",
            registry=registry,
        ),
        events=Counter(
            "mailweir_reputation_judged_events",
            "Judged events, by what they were to the history.",
            ["what"],
            registry=registry,
        ),
    )
    for kind in EntryKind:
        metrics.entry_hits.labels(kind)
    for why in FAILURES:
        metrics.store_failures.labels(why)
    for what in EVENTS:
        metrics.events.labels(what)
    return metrics
