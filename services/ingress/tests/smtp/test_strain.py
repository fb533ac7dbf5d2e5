"""The load is measured as it is, and strangers are let in accordingly."""

import asyncio
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_ingress.metrics import declare
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.smtp.budget import MemoryBudget
from mailweir_ingress.smtp.sessions import Sessions
from mailweir_ingress.smtp.strain import Strain
from mailweir_policy import policy_from

MIB = 1_048_576


class Bench:
    """A strain, and what it measures."""

    def __init__(self, **limits: Any) -> None:
        section = {
            "session": {"sessions": 10, "memory_bytes": MIB, "shedding": {"share": 0.5, **limits}}
        }
        found: Rules = compile_rules(policy_from(section), "v.1")
        self.clock = ManualClock()
        self.sessions = Sessions(lambda: found, self.clock)
        self.budget = MemoryBudget(lambda: MIB)
        self.strain = Strain(lambda: found, self.clock, self.sessions, self.budget)
        self.registry = CollectorRegistry()
        gate = declare(self.registry).gate
        self.strain.tell(gate.shedding, gate.lag, gate.shed)

    def measure(self, late: float = 0.0, times: int = 40) -> None:
        """Measure several times, each so late."""
        for _ in range(times):
            self.clock.advance(0.1)
            self.strain.measure(late)

    def let_in(self, of: int = 100) -> int:
        """Return how many strangers are let in."""
        return sum(self.strain.lets_in() for _ in range(of))

    def sample(self, name: str) -> float | None:
        """Return a metric."""
        return self.registry.get_sample_value(f"mailweir_ingress_{name}")


def test_an_idle_process_lets_everybody_in() -> None:
    bench = Bench()
    bench.measure(0.002)
    assert bench.let_in() == 100
    assert bench.sample("strangers_shed_ratio") == 0.0
    assert bench.sample("strangers_shed_total") == 0.0
    assert bench.sample("lag_seconds") == pytest.approx(0.002, rel=0.01)


def test_one_that_lags_lets_few_in_until_it_has_caught_up() -> None:
    bench = Bench(lag_seconds=0.05)
    bench.measure(0.2)
    let_in = bench.let_in()
    assert let_in < 10
    assert bench.sample("strangers_shed_total") == 100 - let_in
    assert (bench.sample("strangers_shed_ratio") or 0) > 0.9
    bench.measure(0.0, times=200)
    assert bench.let_in() == 100


def test_a_single_stumble_is_no_lag() -> None:
    bench = Bench(lag_seconds=0.05)
    bench.measure(0.15, times=1)
    assert bench.let_in() == 100


def test_memory_that_strangers_must_leave_counts() -> None:
    bench = Bench()
    assert bench.budget.take(MIB * 3 // 4)
    bench.measure()
    assert bench.let_in() < 10


def test_sessions_that_strangers_must_leave_count() -> None:
    bench = Bench()
    for _ in range(6):
        bench.sessions.enter(cast(Any, object()))
    bench.measure()
    assert bench.let_in() < 10


async def test_messages_that_wait_for_their_answer_count() -> None:
    bench = Bench(answer_seconds=0.5)
    answered = asyncio.Event()

    async def receive(_: Any) -> Any:
        await answered.wait()
        return "taken"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(cast(Any, bench.strain.watched(receive)(cast(Any, None))))
        await asyncio.sleep(0)
        bench.measure(times=4)
        assert bench.let_in() == 100  # not for so long yet
        bench.measure(times=40)
        assert bench.let_in() < 10
        answered.set()
    assert task.result() == "taken"
    bench.measure(times=1)  # the one that took so long
    bench.measure(times=200)
    assert bench.let_in() == 100


async def test_a_message_that_fails_is_not_waited_for_for_ever() -> None:
    bench = Bench(answer_seconds=0.5)

    async def receive(_: Any) -> Any:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await bench.strain.watched(receive)(cast(Any, None))
    bench.measure()
    assert bench.let_in() == 100


async def test_it_measures_while_the_process_runs() -> None:
    found = compile_rules(policy_from({}), "v.1")
    clock = ManualClock()
    strain = Strain(lambda: found, clock, Sessions(lambda: found, clock), MemoryBudget(lambda: 1))
    measured: list[float] = []
    strain.measure = measured.append  # type: ignore[method-assign]  # what it is called with is looked at
    async with asyncio.TaskGroup() as group:
        task = group.create_task(strain.measure_forever())
        async with asyncio.timeout(5):
            while len(measured) < 2:
                await asyncio.sleep(0.01)
        task.cancel()
    assert measured[:2] == [-0.1, -0.1]  # the clock stood still
