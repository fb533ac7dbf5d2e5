"""Memory for big bodies."""

import asyncio

import pytest

from mailweir_delivery import budget as module
from mailweir_delivery.budget import ByteBudget, MemoryFull


async def test_bytes_are_taken_and_given_back() -> None:
    budget = ByteBudget(100)
    async with budget.take(60):
        assert budget.used == 60
        async with budget.take(40):
            assert budget.used == 100
    assert budget.used == 0


async def test_who_finds_too_little_waits() -> None:
    budget, order = ByteBudget(100), list[str]()

    async def second() -> None:
        async with budget.take(50):
            order.append("second")

    async with asyncio.TaskGroup() as tasks, budget.take(60):
        tasks.create_task(second())
        await asyncio.sleep(0.01)
        order.append("first")
    assert order == ["first", "second"]
    assert budget.used == 0


async def test_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    budget = ByteBudget(100)
    async with budget.take(60):
        with pytest.raises(MemoryFull):
            async with budget.take(50):
                raise AssertionError("there was no room")
        assert budget.used == 60


async def test_what_is_larger_than_all_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    budget = ByteBudget(100)
    async with budget.take(1000):
        with pytest.raises(MemoryFull):
            async with budget.take(1):
                raise AssertionError("there was no room")


async def test_what_fails_gives_back() -> None:
    budget = ByteBudget(100)
    with pytest.raises(RuntimeError):
        async with budget.take(60):
            raise RuntimeError("oh")
    assert budget.used == 0
