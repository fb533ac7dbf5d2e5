"""What the ingress counts. Every series is there, at zero, from the start.

Series are held by their labels: looking a series up through the client library costs more than counting.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_core.bans import OffenceKind
from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener

SECONDS_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0, 30.0,
)  # fmt: skip
EDGE_CHECKS: Final = ("reputation", "greylist", "ratelimit")
CHECKS: Final = (*EDGE_CHECKS, "scoring", "callout")


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
    MESSAGE = "message"  # the edge's checks of a message that is judged


class Login(StrEnum):
    """How an AUTH ended."""

    GOOD = "good"
    BAD = "bad"
    BLOCKED = "blocked"  # the account, or this login from this place
    UNAVAILABLE = "unavailable"


class Waited(StrEnum):
    """How a client's wait for the banner ended."""

    PASSED = "passed"
    TALKED = "talked"
    LEFT = "left"


class PassFound(StrEnum):
    """Where a client's pass was found, if it has one."""

    HERE = "here"  # remembered by this process
    THERE = "there"  # in the bucket
    NONE = "none"
    FAILED = "failed"  # the look-up failed or was late: the client waited


REFUSING: Final = (Phase.CONNECT, Phase.HELO, Phase.AUTH, Phase.MAIL, Phase.RCPT, Phase.DATA)
TIMED: Final = (
    Phase.CONNECT, Phase.RCPT, Phase.DATA, Phase.SCORE, Phase.MESSAGE, Phase.STORE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GateMetrics:
    """The series of the gate."""

    waiting: Gauge
    waits: Mapping[str, Counter]
    passes: Mapping[str, Counter]
    passes_unstored: Counter
    unrecorded: Counter
    bans: Gauge
    masked: Gauge
    shedding: Gauge
    lag: Gauge
    shed: Counter


@dataclass(frozen=True, slots=True)
class Metrics:
    """The series, by their labels."""

    sessions_open: Mapping[str, Gauge]
    sessions: Mapping[tuple[str, str], Counter]
    messages: Mapping[tuple[str, str], Counter]
    refusals: Mapping[tuple[str, str], Counter]
    replies: Mapping[int, Counter]
    """By the reply code's first digit."""
    received_bytes: Counter
    memory: Gauge
    checks: Mapping[tuple[str, str], Counter]
    rests: Mapping[str, Counter]
    offences: Mapping[str, Counter]
    seconds: Mapping[str, Histogram]
    logins: Mapping[str, Counter]
    events_dropped: Counter
    handshakes_failed: Counter
    signatures: Mapping[str, Counter]
    signing_keys: Mapping[str, Gauge]
    gate: GateMetrics


M = TypeVar("M", Counter, Gauge, Histogram)


def _by_one(metric: M, values: Iterable[str]) -> Mapping[str, M]:
    return {value: metric.labels(value) for value in values}


def _by_two(
    metric: Counter, first: Iterable[str], second: Iterable[str]
) -> Mapping[tuple[str, str], Counter]:
    return {pair: metric.labels(*pair) for pair in product(first, second)}


def _of_the_gate(counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> GateMetrics:
    waits = counter(
        "waits", "Waits of unknown clients for the banner, by how they ended.", "outcome"
    )
    passes = counter("pass_lookups", "Look-ups of passes, by where one was found.", "outcome")
    return GateMetrics(
        waiting=gauge("waiting_clients", "Clients that wait for the banner now."),
        waits=_by_one(waits, Waited),
        passes=_by_one(passes, PassFound),
        passes_unstored=counter("passes_unstored", "Passes that only this process knows of."),
        unrecorded=counter(
            "turned_away_unrecorded", "Connections that were turned away and are in no record."
        ),
        bans=gauge("known_bans", "Bans that are enforced, as this process knows them."),
        masked=gauge(
            "clients_masked", "1 while all clients come from a few private addresses, else 0."
        ),
        shedding=gauge(
            "strangers_shed_ratio",
            "Part of the strangers that is turned away now; above 0 there is too much to do.",
        ),
        lag=gauge("lag_seconds", "How late the process is with what is due, in the mean."),
        shed=counter(
            "strangers_shed", "Strangers that were turned away, there being too much to do."
        ),
    )


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare every metric on `registry`."""

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(f"mailweir_ingress_{name}", text, labels, registry=registry)

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"mailweir_ingress_{name}", text, labels, registry=registry)

    sessions_open = gauge("sessions_open", "SMTP sessions open now.", "listener")
    sessions = counter("sessions", "SMTP sessions that ended, by how.", "listener", "ending")
    messages = counter(
        "messages", "Messages whose data came, by what became of them.", "action", "reason"
    )
    refusals = counter(
        "refusals", "Refusals, by phase of the session and reason.", "phase", "reason"
    )
    replies = counter("replies", "SMTP replies, by first digit.", "class")
    checks = counter("checks", "Checks asked or skipped, by how they ended.", "check", "status")
    rests = counter(
        "check_rests",
        "Times that a check was not asked for a while, since it kept failing.",
        "check",
    )
    offences = counter("offences", "Offences of clients that were reported.", "kind")
    logins = counter("logins", "AUTH commands, by how they ended.", "outcome")
    signatures = counter("signatures", "Signatures put on mail, by kind.", "kind")
    signing_keys = gauge("signing_keys", "Keys in the directory of signing keys.", "state")
    seconds = Histogram(
        "mailweir_ingress_phase_seconds",
        "Time of a part of a message's way; of a session's phases that of their checks.",
        ("phase",),
        buckets=SECONDS_BUCKETS,
        registry=registry,
    )
    return Metrics(
        sessions_open=_by_one(sessions_open, Listener),
        sessions=_by_two(sessions, Listener, Ending),
        messages=_by_two(messages, Action, Reason),
        refusals=_by_two(refusals, REFUSING, Reason),
        replies={digit: replies.labels(f"{digit}xx") for digit in (2, 3, 4, 5)},
        received_bytes=counter("received_bytes", "Message data read."),
        memory=gauge("memory_reserved_bytes", "Memory reserved for message data."),
        checks=_by_two(checks, CHECKS, Status),
        rests=_by_one(rests, EDGE_CHECKS),
        offences=_by_one(offences, OffenceKind),
        seconds=_by_one(seconds, TIMED),
        logins=_by_one(logins, Login),
        events_dropped=counter(
            "events_dropped", "Records of refusals that could not be published."
        ),
        handshakes_failed=counter("tls_handshakes_failed", "TLS handshakes that failed."),
        signatures=_by_one(signatures, ("dkim", "arc")),
        signing_keys=_by_one(signing_keys, ("usable", "unusable")),
        gate=_of_the_gate(counter, gauge),
    )
