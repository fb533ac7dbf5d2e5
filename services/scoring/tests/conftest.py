"""What the tests of the scoring service share."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.record import Envelope, Listener, Session
from mailweir_policy import ScoringPolicy
from mailweir_policy.policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import declare
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import AnyStage, Check, Stage, symbols_of
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.ports import Answerer, Workers
from mailweir_scoring.walk import Tools, no_rules


class Bench:
    """Engines over stages of a test's own; each symbol is worth 4 points, in a group of its own."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.registry = CollectorRegistry()

    def stage(
        self,
        name: str,
        *symbols: str,
        act: Callable[[], object] = lambda: None,
        costly: bool = False,
    ) -> Stage:
        """Return a stage that finds all its symbols, after `act`."""

        def run(_facts: Facts) -> list[Hit]:
            act()
            return [Hit(s) for s in symbols]

        return Stage(name, (Check(frozenset(symbols), run),), costly)

    def engine(
        self,
        *stages: AnyStage,
        workers: Workers | None = None,
        inline_bytes: int = 65_536,
        answerers: Mapping[type, Answerer] | None = None,
        policy_rules: Callable[[ScoringPolicy], Iterable[Rule]] = no_rules,
        **scores: float,
    ) -> Engine:
        """Return an engine; `scores` are those of symbols that are not worth 4 points."""
        self.registry = CollectorRegistry()
        symbols = sorted(symbols_of(stages))
        rules = {s: Rule(s, scores.get(s, 4.0), s.lower(), f"about {s}") for s in symbols}
        return Engine(
            Tools(
                stages=stages,
                workers=workers or InlineWorkers(),
                clock=self.clock,
                metrics=declare(self.registry),
                inline_bytes=inline_bytes,
                program="0.1.0",
                answerers=answerers or {},
                policy_rules=policy_rules,
            ),
            Kit(RuleSet(rules, "rules1")),
        )

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class MakeSnapshot(Protocol):
    """Makes a policy in force from the scoring part's fields."""

    def __call__(self, **scoring: object) -> PolicySnapshot: ...


@pytest.fixture
def snapshot() -> MakeSnapshot:
    def make(**scoring: object) -> PolicySnapshot:
        return PolicySnapshot(Policy(scoring=ScoringPolicy.model_validate(scoring)), "v.7")

    return make


@pytest.fixture
def plain() -> bytes:
    """Return a message that nothing is wrong with."""
    return (
        b"From: Ann <ann@example.net>\r\nTo: bob@example.com\r\nSubject: Lunch\r\n"
        b"Date: Sun, 15 Jun 2025 15:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nAt noon?\r\n"
    )


@pytest.fixture
def envelope() -> Envelope:
    """Return the envelope of a message from outside."""
    session = Session(
        id="01J0000000000000000000000A",
        listener=Listener.MX,
        client_ip="192.0.2.7",
        helo="mail.example.net",
        esmtp=True,
    )
    return Envelope(
        ref="01J0000000000000000000000A-1",
        session=session,
        sender="ann@example.net",
        recipients=("bob@example.com",),
        received_at=1_750_000_000.0,
    )
