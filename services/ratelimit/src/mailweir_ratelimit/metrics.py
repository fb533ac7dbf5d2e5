"""What the ratelimit service counts."""

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_ratelimit.intrusion_metrics import IntrusionMetrics

BUCKETS: Final = ("rates", "quotas")
OPERATIONS: Final = ("take", "give", "correct")
PHASES: Final = ("connect", "recipient", "message", "outbound")
RESULTS: Final = ("passed", "limited", "exempt", "failed")
NOTICES: Final = ("warn", "full", "blocked")
WAITING: Final = ("released", "dropped", "put_off")


@dataclass(frozen=True, slots=True)
class CellMetrics:
    """Of one bucket of the bus."""

    writes: Counter
    folded: Counter
    conflicts: Counter
    failures: Counter
    late: Counter


@dataclass(frozen=True, slots=True)
class CounterMetrics:
    """Of the inbound counters."""

    failures: Counter


class Metrics:
    """The metrics, ready to be counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series and set it to zero."""
        self._writes = _counter(
            registry, "cell_writes", "Counters written to the bus, by bucket.", "bucket"
        )
        self._folded = _counter(
            registry, "cell_changes", "Changes that these writes held, by bucket.", "bucket"
        )
        self._conflicts = _counter(
            registry, "cell_conflicts", "Writes that another process was ahead of.", "bucket"
        )
        self._failures = _counter(
            registry, "cell_failures", "Writes and reads that the bus refused.", "bucket"
        )
        self._late = _counter(
            registry, "cell_timeouts", "Writes and reads that took too long.", "bucket"
        )
        self.counters = CounterMetrics(
            _counter(
                registry, "uncounted", "What was not counted, the bus being away.", "operation"
            )
        )
        self.checks = _counter(
            registry, "checks", "Questions answered, by phase and result.", "phase", "result"
        )
        self.notices = _counter(registry, "notices", "Notices sent, by what they tell.", "kind")
        self.notice_failures = _counter(
            registry, "notice_failures", "Notices that could not be queued; they are tried again."
        )
        self.waiting = Gauge(
            "mailweir_ratelimit_waiting_messages",
            "Messages held until their sender's limit has room.",
            registry=registry,
        )
        self.waited = _counter(
            registry, "waiting_ends", "What became of messages that waited.", "how"
        )
        self.not_waiting = _counter(
            registry, "waiting_not_noted", "Held messages that could not be noted as waiting."
        )
        self.judged = _counter(registry, "judged_records", "Records of judged mail taken in.")
        self.unreadable = _counter(
            registry, "unreadable_records", "Records that could not be read."
        )
        self.blocked = _counter(
            registry, "accounts_blocked", "Accounts blocked for what they sent."
        )
        self.intrusion = IntrusionMetrics(registry)
        self._zero()

    def cells(self, bucket: str) -> CellMetrics:
        """Return the series of one bucket, one of `BUCKETS`."""
        return CellMetrics(
            self._writes.labels(bucket),
            self._folded.labels(bucket),
            self._conflicts.labels(bucket),
            self._failures.labels(bucket),
            self._late.labels(bucket),
        )

    def _zero(self) -> None:
        for bucket in BUCKETS:
            self.cells(bucket)
        for operation in OPERATIONS:
            self.counters.failures.labels(operation)
        self.by_result = {
            (phase, result): self.checks.labels(phase, result)
            for phase in PHASES
            for result in RESULTS
        }
        for kind in NOTICES:
            self.notices.labels(kind)
        for how in WAITING:
            self.waited.labels(how)


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare every metric on `registry`."""
    return Metrics(registry)


def _counter(registry: CollectorRegistry, noun: str, text: str, *labels: str) -> Counter:
    return Counter(f"mailweir_ratelimit_{noun}_total", text, labels, registry=registry)
