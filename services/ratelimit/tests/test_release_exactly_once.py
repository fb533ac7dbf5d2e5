"""Held mail goes out once and is charged once, wherever a process dies; what is reached is told.

A process dies before or after each use of an adapter; another one takes over once its claims have run out.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from mailweir_core.outcome import Advice
from mailweir_ratelimit.policy.waiting import CLAIM_SECONDS
from mailweir_ratelimit.quotas import Quotas
from mailweir_ratelimit.releasing import Releaser
from mailweir_ratelimit.waiting import WaitingList

Config = Any  # tests/conftest.py
World = Any
MOST_STEPS = 200


class Crash(BaseException):
    """The process is gone: nothing of it runs on."""


@dataclass
class Faults:
    """Dies at the n-th step; a step is the moment before or after a use of an adapter."""

    at: int
    taken: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.taken.append(name)
        if len(self.taken) == self.at:
            raise Crash(name)


class Mortal:
    """An adapter whose every use is a step."""

    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner, self._faults = inner, faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        async def used(*args: Any, **named: Any) -> Any:
            self._faults.step(f"before {name}")
            result = await found(*args, **named)
            self._faults.step(f"after {name}")
            return result

        return used


def mortal(world: World, faults: Faults) -> Releaser:
    """Return a releaser of a process that dies."""
    cells = Mortal(world.quota_cells, faults)
    quotas = Quotas(cells, world.clock, world.notifier.tell)
    waiting = WaitingList(cells, world.clock, world.metrics)
    quarantine = Mortal(world.quarantine, faults)
    return Releaser(waiting, quotas, quarantine, world.clock, world.metrics)


async def hold_some(world: World, config: Config) -> list[str]:
    """Have five of seven messages held, of two users in one domain; then raise the limit by three."""
    config.change(outbound={"default_user": {"messages": 1}})
    held = []
    for login in ("ann", "bob", "ann", "bob", "ann", "ann", "bob"):
        ref, answer = await world.send(f"{login}@example.com")
        held += [ref] if answer.outcome.advice is Advice.HOLD else []
    domain = {"domain": "example.com", "total": {"messages": 5}}
    config.change(outbound={"default_user": {"messages": 50}, "domains": [domain]})
    return held


async def used(world: World, subject: str) -> int:
    page = await world.reporter.usage(subject, 0, "", world.rules.current)
    return int(page.entries[0].used)


async def run(world: World, steps: int) -> bool:
    """Let a process work until it dies at a step; say whether it came to its end."""
    try:
        await mortal(world, Faults(steps)).work_off(world.rules.current)
    except Crash:
        return False
    finally:
        world.clock.advance(CLAIM_SECONDS + 1)
    return True


@pytest.mark.parametrize("second", [None, 3, 10])
async def test_wherever_it_dies(world: World, config: Config, second: int | None) -> None:
    for at in range(1, MOST_STEPS):
        fresh = type(world)(type(world.outside)(config))
        held = await hold_some(fresh, config)
        survived = await run(fresh, at)
        if second is not None:
            await run(fresh, second)
        await fresh.releaser.work_off(fresh.rules.current)
        assert sorted(fresh.quarantine.released) == sorted(set(fresh.quarantine.released))
        assert len(fresh.quarantine.released) == 3
        assert set(fresh.quarantine.released) == set(held[:3])
        assert await used(fresh, "example.com") == 5
        both = [await used(fresh, f"{name}@example.com") for name in ("ann", "bob")]
        assert sum(both) == 5
        assert len(await fresh.waiting.all()) == 2
        if survived:
            return
    pytest.fail("it has more steps than were tried")
