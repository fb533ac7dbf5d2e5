"""The service in memory: cells, quarantine, outbox, a clock moved by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.bans import Ban
from mailweir_core.clock import ManualClock
from mailweir_core.ids import message_ref, new_ulid
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.ratelimit import RatelimitPolicy
from mailweir_ratelimit.adapters.cells import MemoryCells
from mailweir_ratelimit.adapters.counters import CellCounters
from mailweir_ratelimit.adapters.outbox import MemoryOutbox
from mailweir_ratelimit.adapters.quarantine import MemoryQuarantine
from mailweir_ratelimit.checking import Checker
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.notices import Notifier
from mailweir_ratelimit.outgoing import Outgoing
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.question import Answer, Phase, Question
from mailweir_ratelimit.quotas import Quotas
from mailweir_ratelimit.releasing import Releaser
from mailweir_ratelimit.reporting import Reporter
from mailweir_ratelimit.rules import RulesBook
from mailweir_ratelimit.waiting import WaitingList
from mailweir_runtime.config import PolicySnapshot


@dataclass
class Config:
    """A policy in force that a test may change."""

    current: PolicySnapshot = field(default_factory=lambda: PolicySnapshot(Policy(), "v.1"))

    def change(self, **ratelimit: Any) -> None:
        """Put another ratelimit policy in force."""
        number = int(self.current.version.removeprefix("v.")) + 1
        policy = self.current.policy.model_copy(
            update={"ratelimit": RatelimitPolicy.model_validate(ratelimit)}
        )
        self.current = PolicySnapshot(policy, f"v.{number}")


@dataclass
class Outside:
    """What all processes share."""

    config: Config
    rates: MemoryCells = field(default_factory=MemoryCells)
    quota_cells: MemoryCells = field(default_factory=MemoryCells)
    clock: ManualClock = field(default_factory=ManualClock)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)


class World:
    """Everything of one process; two worlds with one outside are two processes."""

    def __init__(self, outside: Outside, process: int = 1) -> None:
        """Wire it."""
        self.outside, self.process = outside, process
        config, rates, quota_cells = outside.config, outside.rates, outside.quota_cells
        self.config, self.rates, self.quota_cells = config, rates, quota_cells
        self.clock, self.outbox, self.quarantine = outside.clock, outside.outbox, outside.quarantine
        self.registry = CollectorRegistry()
        self.metrics = declare(self.registry)
        self.rules = RulesBook(config)
        self.notifier = Notifier(self.outbox, config, self.clock, self.metrics)
        self.quotas = Quotas(quota_cells, self.clock, self.notifier.tell)
        self.waiting = WaitingList(quota_cells, self.clock, self.metrics)
        self.counters = CellCounters(rates, self.clock, self.metrics.counters)
        self.offences: list[Offence] = []
        outgoing = Outgoing(self.quotas, self.waiting, self.clock)
        self.checker = Checker(self.counters, outgoing, self.report, self.clock, self.metrics)
        self.releaser = Releaser(
            self.waiting, self.quotas, self.quarantine, self.clock, self.metrics
        )
        self.reporter = Reporter(rates, quota_cells, self.waiting, self.clock)
        self._number = 0

    async def report(self, offences: Sequence[Offence]) -> Sequence[Ban | None]:
        """Take offences in."""
        self.offences.extend(offences)
        return [None] * len(offences)

    async def ask(self, *questions: Question) -> Sequence[Answer]:
        """Ask by the policy in force."""
        return await self.checker.check(questions, self.rules.current)

    def message(self, login: str = "ann@example.com", **fields: Any) -> Question:
        """Return the question about a user's next message."""
        self._number += 1
        ref = message_ref(new_ulid(self.clock.now(), lambda _: self.process), self._number)
        own = Session(ref.partition("-")[0], Listener.SUBMISSION, "192.0.2.1", auth_user=login)
        known = {
            "session": own, "sender": login, "recipients": ("bob@example.net",), "ref": ref,
            "size": 1000, **fields,
        }  # fmt: skip
        return Question(Phase.MESSAGE, **known)

    async def send(self, login: str = "ann@example.com", **fields: Any) -> tuple[str, Answer]:
        """Ask about a user's next message; what is held comes into quarantine."""
        question = self.message(login, **fields)
        (answer,) = await self.ask(question)
        if answer.outcome.advice == "hold":
            self.quarantine.hold(question.ref)
        return question.ref, answer

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a metric's value."""
        return self.registry.get_sample_value(f"mailweir_ratelimit_{name}", labels)


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def world(config: Config) -> World:
    return World(Outside(config))


@pytest.fixture
def other(world: World) -> World:
    """Return a second process beside `world`."""
    return World(world.outside, process=2)
