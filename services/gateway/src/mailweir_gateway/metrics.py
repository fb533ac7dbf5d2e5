"""What the gateway counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from mailweir_runtime.bus.holdings import HoldingsMetrics
from mailweir_runtime.sql import Room

STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
CHANGES: Final = ("applied", "invalid", "conflict")
OUTAGES: Final = ("quarantine", "reputation", "greylist", "ratelimit", "bus", "database")
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series and set it to zero."""
        self.requests = Counter(
            "mailweir_gateway_requests_total",
            "HTTP requests answered, by class of status.",
            ["status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "mailweir_gateway_request_seconds",
            "Time that a request took.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.key_failures = Counter(
            "mailweir_gateway_key_failures_total",
            "Requests without a key, or with one that does not exist.",
            registry=registry,
        )
        self.policy_changes = Counter(
            "mailweir_gateway_policy_changes_total",
            "Proposed policies, by what became of them.",
            ["result"],
            registry=registry,
        )
        self.outages = Counter(
            "mailweir_gateway_outages_total",
            "Requests that failed because something needed for them did not answer.",
            ["part"],
            registry=registry,
        )
        self.holdings = HoldingsMetrics(registry)
        self.room = Room("gateway", registry)
        self._zero()

    def _zero(self) -> None:
        for status in STATUSES:
            self.requests.labels(status)
        for result in CHANGES:
            self.policy_changes.labels(result)
        for part in OUTAGES:
            self.outages.labels(part)


def declare(registry: CollectorRegistry) -> GatewayMetrics:
    """Declare every metric of the service on a registry."""
    return GatewayMetrics(registry)
