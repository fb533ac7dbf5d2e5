"""The metrics of everything that goes over the bus, in one place."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_runtime.bus.topology import BODIES, CONSUMERS, STREAMS

PUBLISH_FAILURES = ("unavailable", "full")
"""Kinds of failed publishes: no confirmation in time, or no room left."""
HANDLER_RESULTS = ("acked", "naked", "failed", "parked")
"""What became of a message in a pull loop: done, given back on purpose, given back by an error, parked."""
_PUBLISH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BusMetrics:
    """Counters of one process's use of the bus; declared on the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series and set it to zero."""
        self.publish_seconds = Histogram(
            "mailweir_bus_publish_seconds",
            "Time from publish to the broker's confirmation.",
            ["stream"],
            registry=registry,
            buckets=_PUBLISH_BUCKETS,
        )
        self.publish_failures = _counter(
            registry, "publish_failures", "Publishes that were not confirmed.", "kind"
        )
        self.handled = Counter(
            "mailweir_bus_messages_handled_total",
            "Messages a pull loop took, by what became of them.",
            ["consumer", "result"],
            registry=registry,
        )
        self.redelivered = _counter(
            registry, "redelivered", "Messages handed out more than once.", "consumer"
        )
        self.parked = _counter(
            registry,
            "parked",
            "Messages that no attempt could handle; look into PARKED.",
            "consumer",
        )
        self.fetch_failures = _counter(
            registry, "fetch_failures", "Fetches that the broker did not answer.", "consumer"
        )
        self.lag = Gauge(
            "mailweir_bus_lag_messages",
            "Messages that wait for a consumer or are being worked on.",
            ["consumer"],
            registry=registry,
        )
        self.connected = Gauge(
            "mailweir_bus_open_connections", "1 while the broker answers.", registry=registry
        )
        self.reconnects = _plain(registry, "reconnects", "Connections made after the first one.")
        self.disconnects = _plain(registry, "disconnects", "Connections that broke.")
        self.errors = _plain(
            registry, "connection_errors", "Errors that the client library told of."
        )
        self.body_failures = _plain(
            registry, "body_digest_failures", "Bodies that were incomplete or had another digest."
        )
        self._zero()

    def _zero(self) -> None:
        for stream in STREAMS:
            self.publish_seconds.labels(stream.name)
        self.publish_seconds.labels(BODIES)
        for kind in PUBLISH_FAILURES:
            self.publish_failures.labels(kind)
        for spec in CONSUMERS:
            self.redelivered.labels(spec.name)
            self.parked.labels(spec.name)
            self.fetch_failures.labels(spec.name)
            for result in HANDLER_RESULTS:
                self.handled.labels(spec.name, result)


def _counter(registry: CollectorRegistry, noun: str, text: str, label: str) -> Counter:
    return Counter(f"mailweir_bus_{noun}_total", text, [label], registry=registry)


def _plain(registry: CollectorRegistry, noun: str, text: str) -> Counter:
    return Counter(f"mailweir_bus_{noun}_total", text, registry=registry)
