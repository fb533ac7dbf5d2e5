"""What delivery counts. Labels are closed sets; every series begins at zero."""

import heapq
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_core.clock import Clock, SystemClock
from mailweir_delivery.policy.replies import Verdict

WAYS = ("smtp", "lmtp", "maildir", "mx", "none")
"""How a destination is reached; `none`: a local recipient without a route."""
RESULTS = ("delivered", "deferred", "failed", "expired")
NOTICES = ("sent", "nobody_to_tell", "switched_off")
PUT_BACK = ("busy", "early", "in_hand", "stopping", "bus_unavailable", "memory_full")
PARKED = ("undecodable", "body_missing")
CONNECTIONS = ("opened", "reused")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86_400.0)

PREFIX = "mailweir_delivery"


class Metrics:
    """Every metric of the service, on the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        """Declare every series and set it to zero."""
        labelled = _labelled(registry)
        plain = _plain(registry)
        self.recipients = Counter(
            f"{PREFIX}_recipients_total", "Recipients handled in an attempt, by what became of them.",
            ["way", "result"], registry=registry,
        )  # fmt: skip
        for way in WAYS:
            for result in RESULTS:
                self.recipients.labels(way, result)
        self.notices = labelled("notices", "Sender notifications (DSN) that were due.", NOTICES)
        self.put_back = labelled(
            "put_back", "Messages given back without an attempt, by cause.", PUT_BACK
        )
        self.parked = labelled("parked", "Messages set aside for an admin, by cause.", PARKED)
        self.connections = labelled(
            "connections", "Sessions that a transaction used.", CONNECTIONS, "origin"
        )
        self.late_replies = labelled(
            "late_replies", "Replies to the end of data that came after we stopped waiting.",
            tuple(Verdict), "verdict",
        )  # fmt: skip
        self.unknown = plain(
            "unknown_outcomes",
            "Transactions whose end was not answered: the message may have arrived, and may come twice.",
        )
        self.already_done = plain(
            "already_delivered",
            "Recipients of a redelivered message that had got it: duplicates avoided.",
        )
        self.bus_retries = plain("publish_retries", "Publishes that had to be tried again.")
        self.tls_given_up = plain(
            "tls_failures", "Sessions that went on in the clear since opportunistic TLS failed."
        )
        self.suspensions = plain(
            "suspensions", "Destinations left alone for a while since they could not be reached."
        )
        self.left_alone = plain(
            "left_alone_recipients", "Recipients deferred without an attempt, in a suspension."
        )
        self.open_connections = _gauge(registry, "open_connections", "Connections to next hops.")
        self.in_hand = _gauge(registry, "in_hand_messages", "Messages being worked on.")
        self.seconds = Histogram(
            f"{PREFIX}_latency_seconds", "From acceptance to delivery.",
            registry=registry, buckets=SECONDS,
        )  # fmt: skip
        self.deferrals = Deferrals(clock)
        waiting = _gauge(
            registry,
            "deferred_messages",
            "Messages this process deferred that wait for their time.",
        )
        waiting.set_function(self.deferrals.count)


class Deferrals:
    """Counts the messages that this process deferred and whose time has not come."""

    def __init__(self, clock: Clock) -> None:
        """Begin with none."""
        self._clock = clock
        self._due: list[float] = []

    def add(self, due: float) -> None:
        """Note a message that is due at `due`, in seconds since the epoch."""
        self._forget_past()
        heapq.heappush(self._due, due)

    def count(self) -> float:
        """Return how many are not due yet; called from the metrics endpoint's thread."""
        now = self._clock.now()
        return float(sum(due > now for due in tuple(self._due)))

    def _forget_past(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)


def _labelled(registry: CollectorRegistry) -> Callable[..., Counter]:
    def make(noun: str, text: str, values: tuple[str, ...], label: str = "cause") -> Counter:
        counter = Counter(f"{PREFIX}_{noun}_total", text, [label], registry=registry)
        for value in values:
            counter.labels(value)
        return counter

    return make


def _plain(registry: CollectorRegistry) -> Callable[[str, str], Counter]:
    def make(noun: str, text: str) -> Counter:
        return Counter(f"{PREFIX}_{noun}_total", text, registry=registry)

    return make


def _gauge(registry: CollectorRegistry, noun: str, text: str) -> Gauge:
    return Gauge(f"{PREFIX}_{noun}", text, registry=registry)


def declare(registry: CollectorRegistry, clock: Clock | None = None) -> Metrics:
    """Declare every metric of the service on a registry."""
    return Metrics(registry, clock or SystemClock())
