"""What is counted of the DNS, on the registry of whichever service asks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_core.dns import DnsStatus

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Source(StrEnum):
    """Where an answer came from."""

    CACHE = "cache"
    SHARED = "shared"  # somebody else had just asked
    SERVER = "server"
    BREAKER = "breaker"  # not asked: the zone has failed too often lately
    LIMIT = "limit"  # not asked: too many questions are under way


class ServerFailure(StrEnum):
    """How a try with one name server failed."""

    TIMEOUT = "timeout"
    NETWORK = "network"  # unreachable, refused, connection broken
    CODE = "code"  # SERVFAIL, REFUSED and the like
    STRAY = "stray"  # nothing but datagrams that were not our answer


@dataclass(frozen=True, slots=True)
class DnsMetrics:
    """The metrics, every series at zero from the start."""

    questions: Counter
    answers: Counter
    seconds: Histogram
    server_failures: Counter
    over_tcp: Counter
    late: Counter
    crashed: Counter
    cached: Gauge
    open_breakers: Gauge


def declare(registry: CollectorRegistry, service: str) -> DnsMetrics:
    """Declare them on a registry as `mailweir_<service>_dns_…`."""
    prefix = f"mailweir_{service}_dns"

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{prefix}_{name}", text, labels, registry=registry)

    metrics = DnsMetrics(
        questions=counter("questions", "Questions, by where the answer came from.", "source"),
        answers=counter("answers", "Answers of name servers, by status.", "status"),
        seconds=Histogram(
            f"{prefix}_answer_seconds",
            "Time until a name server's answer, failures included.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        ),
        server_failures=counter(
            "server_failures", "Tries that a name server failed, by cause.", "cause"
        ),
        over_tcp=counter("tcp_questions", "Questions asked over TCP, since the answer was cut."),
        late=counter("late_answers", "Answers that came after whoever asked had given up."),
        crashed=counter("crashes", "Questions that ended in an error of the program."),
        cached=Gauge(f"{prefix}_cached_answers", "Answers that are kept.", registry=registry),
        open_breakers=Gauge(
            f"{prefix}_muted_zones", "Zones that are not asked for a while.", registry=registry
        ),
    )
    for source in Source:
        metrics.questions.labels(source)
    for status in DnsStatus:
        metrics.answers.labels(status)
    for cause in ServerFailure:
        metrics.server_failures.labels(cause)
    return metrics
