"""The forecast's counts on their way to the store."""

import asyncio
from collections.abc import Callable
from typing import Any

from mailweir_greylist.counting import Counting
from mailweir_greylist.policy.question import Question
from mailweir_runtime.bus.ports import BusUnavailable

Ask = Callable[..., Question]


async def test_counts_of_two_processes_are_summed(world: Any, ask: Ask) -> None:
    other = world.another()
    first = Counting(world.checker, world.store, world.metrics)
    second = Counting(other, world.store, world.metrics)
    await world.check(ask("a@x.net"))
    await other.check([ask("b@x.net"), ask("c@x.net")], world.policy)
    assert (await first.total()).deferred == 1
    await first.flush()
    await second.flush()
    assert (await first.total()).deferred == 3
    assert not world.checker.tally


async def test_without_news_nothing_is_written(world: Any) -> None:
    world.bus.outage = BusUnavailable("away")
    await Counting(world.checker, world.store, world.metrics).flush()
    assert world.count("flush_failures_total") == 0


async def test_what_cannot_be_stored_is_kept_for_the_next_time(world: Any, ask: Ask) -> None:
    counting = Counting(world.checker, world.store, world.metrics)
    await world.check(ask())
    world.bus.outage = BusUnavailable("away")
    await counting.flush()
    assert world.count("flush_failures_total") == 1
    assert world.checker.tally.deferred == 1
    world.bus.outage = None
    await counting.flush()
    assert (await world.store.counts()).deferred == 1


async def test_the_last_counts_are_brought_when_it_ends(world: Any, ask: Ask) -> None:
    counting = Counting(world.checker, world.store, world.metrics)
    await world.check(ask())
    task = asyncio.ensure_future(counting.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert (await world.store.counts()).deferred == 1
