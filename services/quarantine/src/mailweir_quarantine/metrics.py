"""What the quarantine counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_runtime.sql import Room, SqlError

OPERATIONS: Final = ("record", "hold", "track", "query", "command", "outbox", "retention")
"""What the database was asked for when it failed."""
CONSUMERS: Final = ("recorder", "holder", "tracker")
EXPIRED: Final = ("held", "record")
_LAG_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class QuarantineMetrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series and set it to zero."""
        self.records = Counter(
            "mailweir_quarantine_records_written_total",
            "Records written.",
            registry=registry,
        )
        self.record_lag = Histogram(
            "mailweir_quarantine_record_lag_seconds",
            "Time from a decision to its record.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.held = Gauge(
            "mailweir_quarantine_held_messages", "Messages held at present.", registry=registry
        )
        self.outbox = Gauge(
            "mailweir_quarantine_outbox_messages",
            "Released messages that delivery has not been given yet.",
            registry=registry,
        )
        self.taken_in = _counter(registry, "messages_held", "Messages taken in.")
        self.releases = _counter(registry, "releases", "Messages released by somebody.")
        self.handed_over = _counter(
            registry, "releases_handed_over", "Released messages given to delivery."
        )
        self.deletions = _counter(registry, "deletions", "Held messages deleted by somebody.")
        self.bodies_removed = _counter(
            registry, "bodies_removed", "Bodies removed that nobody needed any more."
        )
        self.expired = Counter(
            "mailweir_quarantine_expired_total",
            "Held messages and records that the retention policy ended.",
            ["what"],
            registry=registry,
        )
        self.sql_errors = Counter(
            "mailweir_quarantine_sql_errors_total",
            "Failed uses of the database, by what it was asked for.",
            ["operation"],
            registry=registry,
        )
        self.unusable = Counter(
            "mailweir_quarantine_unusable_messages_total",
            "Stream messages that cannot be read or stored; they are in PARKED.",
            ["consumer"],
            registry=registry,
        )
        self.room = Room("quarantine", registry)
        self._zero()

    @contextmanager
    def counting(self, operation: str) -> Iterator[None]:
        """Count what the database raises within the block, and let it through."""
        try:
            yield
        except SqlError:
            self.sql_errors.labels(operation).inc()
            raise

    def _zero(self) -> None:
        for what in EXPIRED:
            self.expired.labels(what)
        for operation in OPERATIONS:
            self.sql_errors.labels(operation)
        for consumer in CONSUMERS:
            self.unusable.labels(consumer)


def declare(registry: CollectorRegistry) -> QuarantineMetrics:
    """Declare every metric of the service on a registry."""
    return QuarantineMetrics(registry)


def _counter(registry: CollectorRegistry, noun: str, text: str) -> Counter:
    return Counter(f"mailweir_quarantine_{noun}_total", text, registry=registry)
