"""What the tests of the greylist service share: questions, a store in memory, a checker on a clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.client import ClientFacts
from mailweir_core.clock import ManualClock
from mailweir_core.record import Listener, Session
from mailweir_greylist.adapters.store import KvStore
from mailweir_greylist.checking import Checker
from mailweir_greylist.metrics import declare
from mailweir_greylist.policy.answers import Answer
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.bus.memory import MemoryBus


def _ask(
    sender: str = "ann@example.net",
    *recipients: str,
    ip: str = "192.0.2.7",
    helo: str = "mail.example.net",
    score: float | None = None,
    **client: Any,
) -> Question:
    """Return a question about a suspicious client, but for what is said otherwise."""
    facts = ClientFacts(**({"suspicion": 3.0} | client))
    session = Session(id="s", listener=Listener.MX, client_ip=ip, helo=helo)
    return Question(session, facts, sender, recipients or ("bob@example.com",), score)


@dataclass
class World:
    """A checker over a store in memory, by a clock of the test's own."""

    policy: GreylistPolicy = field(default_factory=GreylistPolicy)
    clock: ManualClock = field(default_factory=ManualClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.metrics = declare(self.registry)
        self.bus = MemoryBus(self.clock)
        self.store = KvStore(self.bus, self.metrics)
        self.checker = self.another()

    def another(self) -> Checker:
        """Return a checker as another process has it."""
        return Checker(self.store, self.clock, self.metrics)

    async def check(self, *questions: Question) -> list[list[Answer]]:
        return await self.checker.check(questions, self.policy)

    async def one(self, question: Question) -> Answer:
        """Return the answer for the only recipient of the only question."""
        ((answer,),) = await self.check(question)
        return answer

    async def findings(self, question: Question) -> Sequence[str]:
        return [str(a.finding) for a in (await self.check(question))[0]]

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"mailweir_greylist_{name}", labels) or 0.0


@pytest.fixture
def ask() -> Callable[..., Question]:
    """Return what makes questions."""
    return _ask


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Return what makes worlds with policies of a test's own."""

    def make(**policy: Any) -> World:
        return World(GreylistPolicy.model_validate(policy))

    return make
