"""Counting copies together with other processes, over the bus and without it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import CAMPAIGNS
from mailweir_scoring.adapters.campaigns import LocalCounts, SharedCounts
from mailweir_scoring.campaign_metrics import CampaignMetrics, declare_campaigns
from mailweir_scoring.policy.campaign.model import CampaignAnswer, CampaignQuestion
from mailweir_testkit.nats import connected_bus, nats_server

NOW = 1_800_000_000.0


def ask(key: str) -> tuple[CampaignQuestion]:
    return (CampaignQuestion(((key,),), NOW, 3600.0),)


async def copies(counts: LocalCounts, key: str, times: int = 1) -> int:
    answers = [await counts.answer(ask(key), 1.0) for _ in range(times)]
    return int(answers[-1][0].copies)


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with nats_server() as url, connected_bus(url) as real:
        yield real


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> CampaignMetrics:
    return declare_campaigns(registry)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def test_alone_it_counts_for_itself() -> None:
    counts = LocalCounts()
    assert await copies(counts, "a", 3) == 3
    assert await copies(counts, "b") == 1


def test_mail_that_is_alone_is_no_lookup() -> None:
    counts = LocalCounts()
    assert counts.describe(ask("a")[0], CampaignAnswer(1)) is None
    lookup = counts.describe(ask("a")[0], CampaignAnswer(30))
    assert lookup is not None
    assert (lookup.kind, lookup.question, lookup.answer) == (
        "campaign",
        "1 keys in 3600 s",
        "30 copies",
    )


async def test_processes_count_together(bus: Bus, metrics: CampaignMetrics) -> None:
    one, two = (SharedCounts(bus, name, metrics) for name in ("one", "two"))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(c.run()) for c in (one, two)]
        await copies(one, "a", 12)
        await one.flush()
        await until(lambda: bool(two.tally._told))
        assert await copies(two, "a") == 13
        await two.flush()  # seen once only: not told
        await stopped(running[0])  # its numbers go with it
        await until(lambda: not two.tally._told)
        assert await copies(two, "a") == 2
        await stopped(running[1])


async def test_nothing_new_writes_nothing(bus: Bus, metrics: CampaignMetrics) -> None:
    counts = SharedCounts(bus, "one", metrics)
    await copies(counts, "a")
    await counts.flush()
    bucket = await bus.bucket(CAMPAIGNS)
    assert await bucket.get("one") is None
    await copies(counts, "a")
    await counts.flush()
    first = await bucket.get("one")
    await counts.flush()
    assert await bucket.get("one") == first
    assert first is not None


async def test_without_the_bus_it_goes_on_alone_and_says_so(
    metrics: CampaignMetrics, registry: CollectorRegistry
) -> None:
    bus = MemoryBus()
    counts = SharedCounts(bus, "one", metrics)
    await copies(counts, "a", 2)
    await counts.flush()
    assert registry.get_sample_value("mailweir_scoring_campaigns_shared") == 1
    bus.outage = BusUnavailable("gone")
    assert await copies(counts, "a") == 3
    await counts.flush()
    assert registry.get_sample_value("mailweir_scoring_campaigns_shared") == 0
    labels = {"cause": "unavailable"}
    assert registry.get_sample_value("mailweir_scoring_campaign_bus_failures_total", labels) == 1
    bus.outage = None
    await counts.flush()  # told now, although nothing came since
    found = await (await bus.bucket(CAMPAIGNS)).get("one")
    assert found is not None
    assert b'"a":3' in (found.value or b"")
    assert registry.get_sample_value("mailweir_scoring_campaigns_shared") == 1


async def test_what_cannot_be_read_is_counted_and_left(
    metrics: CampaignMetrics, registry: CollectorRegistry
) -> None:
    bus = MemoryBus()
    await (await bus.bucket(CAMPAIGNS)).put("other", b"nonsense")
    counts = SharedCounts(bus, "one", metrics)
    labels = {"cause": "unreadable"}
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(counts.run())
        await until(
            lambda: (
                registry.get_sample_value("mailweir_scoring_campaign_bus_failures_total", labels)
                == 1
            )
        )
        assert await copies(counts, "a", 2) == 2
        await stopped(running)


async def test_leaving_without_the_bus_takes_no_time(metrics: CampaignMetrics) -> None:
    bus = MemoryBus()
    counts = SharedCounts(bus, "one", metrics)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(counts.run())
        await asyncio.sleep(0.05)  # it watches by then
        bus.outage = BusUnavailable("gone")
        await stopped(running)
    assert running.cancelled()
