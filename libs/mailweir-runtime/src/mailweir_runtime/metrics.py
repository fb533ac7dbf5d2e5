"""What every process measures of itself; a service adds its own on the same registry (`rt.registry`)."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Enum,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STATES: Final = ("starting", "ready", "degraded", "draining")


def new_registry() -> CollectorRegistry:
    """Return a registry with the process's own figures (CPU, memory, file descriptors, collector)."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RuntimeMetrics:
    """The process's state, version and how late its event loop is."""

    def __init__(
        self, service: str, version: str, instance: str, registry: CollectorRegistry
    ) -> None:
        """Declare them; every value is there from the start."""
        self.state = Enum(
            f"mailweir_{service}_state", "State of the process.", states=STATES, registry=registry
        )
        self.loop_lag = Histogram(
            f"mailweir_{service}_loop_lag_seconds",
            "How late the event loop ran a timer.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        build = Gauge(
            f"mailweir_{service}_build_info",
            "Always 1; the labels say what runs.",
            ("version", "instance"),
            registry=registry,
        )
        build.labels(version=version, instance=instance).set(1)
