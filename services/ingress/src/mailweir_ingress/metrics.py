"""What the ingress counts. Every series is there, at zero, from the start."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener

SECONDS_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0, 30.0,
)  # fmt: skip
REPLY_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
CHECKS: Final = ("reputation", "greylist", "ratelimit", "scoring", "callout")


class Ending(StrEnum):
    """How a session ended."""

    QUIT = "quit"
    HANGUP = "hangup"  # the peer closed without QUIT
    CLOSED = "closed"  # we ended it; refusals_total and the log say why
    CRASHED = "crashed"


class Phase(StrEnum):
    """A part of a session, or of a message's way, whose time is measured or whose refusals are counted."""

    CONNECT = "connect"
    HELO = "helo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    SCORE = "score"
    STORE = "store"


class Login(StrEnum):
    """How an AUTH ended."""

    GOOD = "good"
    BAD = "bad"
    UNAVAILABLE = "unavailable"


_TIMED: Final = (Phase.DATA, Phase.SCORE, Phase.STORE)
_REFUSING: Final = (Phase.CONNECT, Phase.HELO, Phase.AUTH, Phase.MAIL, Phase.RCPT, Phase.DATA)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics, ready to be counted."""

    sessions_open: Gauge
    sessions: Counter
    messages: Counter
    refusals: Counter
    replies: Counter
    received_bytes: Counter
    memory: Gauge
    checks: Counter
    seconds: Histogram
    logins: Counter
    events_dropped: Counter
    handshakes_failed: Counter

    def prepare(self) -> None:
        """Close the label sets."""
        for listener in Listener:
            self.sessions_open.labels(listener)
            _touch(self.sessions, ((listener, ending) for ending in Ending))
        _touch(self.messages, ((action, reason) for action in Action for reason in Reason))
        _touch(self.refusals, ((phase, reason) for phase in _REFUSING for reason in Reason))
        _touch(self.replies, ((kind,) for kind in REPLY_CLASSES))
        _touch(self.checks, ((check, status) for check in CHECKS for status in Status))
        for phase in _TIMED:
            self.seconds.labels(phase)
        _touch(self.logins, ((login,) for login in Login))


def _touch(counter: Counter, labels: Iterable[tuple[str, ...]]) -> None:
    for values in labels:
        counter.labels(*values)


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare every metric on `registry`."""

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(f"mailweir_ingress_{name}", text, labels, registry=registry)

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"mailweir_ingress_{name}", text, labels, registry=registry)

    metrics = Metrics(
        sessions_open=gauge("sessions_open", "SMTP sessions open now.", "listener"),
        sessions=counter("sessions", "SMTP sessions that ended, by how.", "listener", "ending"),
        messages=counter(
            "messages", "Messages whose data came, by what became of them.", "action", "reason"
        ),
        refusals=counter(
            "refusals", "Refusals, by phase of the session and reason.", "phase", "reason"
        ),
        replies=counter("replies", "SMTP replies, by first digit.", "class"),
        received_bytes=counter("received_bytes", "Message data read."),
        memory=gauge("memory_reserved_bytes", "Memory reserved for message data."),
        checks=counter("checks", "Checks asked or skipped, by how they ended.", "check", "status"),
        seconds=Histogram(
            "mailweir_ingress_phase_seconds",
            "Time of a part of a message's way.",
            ("phase",),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        ),
        logins=counter("logins", "AUTH commands, by how they ended.", "outcome"),
        events_dropped=counter(
            "events_dropped", "Records of refusals that could not be published."
        ),
        handshakes_failed=counter("tls_handshakes_failed", "TLS handshakes that failed."),
    )
    metrics.prepare()
    return metrics
