"""The wiring of the ratelimit service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from mailweir.ratelimit.v1 import ratelimit_pb2_grpc
from mailweir_core.clock import Clock
from mailweir_ratelimit.adapters.allowed import ListedNetworks
from mailweir_ratelimit.adapters.bans import BusBans
from mailweir_ratelimit.adapters.cells import KvCells
from mailweir_ratelimit.adapters.counters import CellCounters
from mailweir_ratelimit.adapters.outbox import BusOutbox
from mailweir_ratelimit.adapters.quarantine import connect_quarantine
from mailweir_ratelimit.blocking import AccountBlocker
from mailweir_ratelimit.checking import Checker
from mailweir_ratelimit.intrusion import Intrusion
from mailweir_ratelimit.metrics import Metrics, declare
from mailweir_ratelimit.notices import Notifier
from mailweir_ratelimit.outgoing import Outgoing
from mailweir_ratelimit.ports_bans import Stores
from mailweir_ratelimit.quotas import Quotas
from mailweir_ratelimit.releasing import Releaser, release_forever
from mailweir_ratelimit.reporting import Reporter
from mailweir_ratelimit.rules import RulesBook
from mailweir_ratelimit.service import RatelimitService
from mailweir_ratelimit.settings import Settings
from mailweir_ratelimit.waiting import WaitingList
from mailweir_ratelimit.warden import BATCH, PAUSE_SECONDS, Warden
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.pull import pull_batches
from mailweir_runtime.bus.topology import QUOTAS, RATES, WARDEN
from mailweir_runtime.config import ConfigWatch, HasPolicy
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve


@dataclass(frozen=True, slots=True)
class House:
    """Everything of one process, wired."""

    quotas: Quotas
    waiting: WaitingList
    notifier: Notifier
    intrusion: Intrusion
    allowed: ListedNetworks
    warden: Warden
    service: RatelimitService
    rules: RulesBook
    metrics: Metrics
    clock: Clock


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    async with connect_bus(rt) as bus, ConfigWatch(rt, bus) as config:
        try:
            await config.first(settings.connect_seconds)
            house = await build(bus, config, rt.clock, declare(rt.registry), settings)
            await house.intrusion.load()
        except BusUnavailable as error:
            raise StartupError(f"cannot begin: {error}") from error
        async with AsyncExitStack() as stack:
            for name, task in background(house, bus):
                await stack.enter_async_context(rt.background(task, name=name))
            await stack.enter_async_context(rt.background(heartbeat(rt, bus, config)))
            await stack.enter_async_context(releasing(rt, config, house, settings))
            await stack.enter_async_context(serve(rt, settings.listen, registering(house)))
            rt.ready()
            await pull_batches(
                bus, WARDEN, house.warden,
                most=BATCH, stopping=rt.stopping, pause_seconds=PAUSE_SECONDS,
            )  # fmt: skip


async def build(
    bus: Bus, config: HasPolicy, clock: Clock, metrics: Metrics, settings: Settings
) -> House:
    """Return the service over a bus; raises BusUnavailable."""
    rates, quota_cells = [
        KvCells(
            await bus.bucket(spec),
            metrics.cells(spec.name),
            seconds=settings.count_seconds,
            remembered=settings.remembered_keys,
            mostly_new=spec is RATES,
        )
        for spec in (RATES, QUOTAS)
    ]
    rules = RulesBook(config)
    notifier = Notifier(BusOutbox(bus, config, settings.shard), config, clock, metrics)
    quotas = Quotas(quota_cells, clock, notifier.tell)
    waiting = WaitingList(quota_cells, clock, metrics)
    allowed = ListedNetworks()
    stores = Stores(BusBans(bus), rates, quota_cells, allowed)
    intrusion = Intrusion(config, stores, clock, metrics.intrusion)
    counters = CellCounters(rates, clock, metrics.counters)
    checker = Checker(counters, Outgoing(quotas, waiting, clock), intrusion.report, clock, metrics)
    blocker = AccountBlocker(quota_cells, intrusion, notifier, metrics)
    reporter = Reporter(rates, quota_cells, waiting, clock)
    return House(
        quotas, waiting, notifier, intrusion, allowed,
        Warden(blocker, counters, rules, clock, metrics),
        RatelimitService(checker, reporter, intrusion, rules, settings.batch_items),
        rules, metrics, clock,
    )  # fmt: skip


def background(house: House, bus: Bus) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Yield what runs beside the service, with its name."""
    yield "notices", house.notifier.run(house.quotas.told)
    yield "bans", house.intrusion.follow()
    yield "allowed", house.allowed.follow(bus)
    yield "tidy", house.intrusion.tidy_forever()


@asynccontextmanager
async def releasing(
    rt: Runtime, config: ConfigWatch, house: House, settings: Settings
) -> AsyncIterator[None]:
    """Let out held mail that fits by now, while the block lasts; nothing where no quarantine is named."""
    if not settings.quarantine_target:
        yield
        return
    wake = asyncio.Event()
    config.subscribe(lambda _: wake.set())  # a limit may have been raised
    async with connect_quarantine(settings.quarantine_target) as quarantine:
        releaser = Releaser(house.waiting, house.quotas, quarantine, rt.clock, house.metrics)
        work = release_forever(
            releaser, lambda: house.rules.current, wake, settings.waiting_seconds
        )
        async with rt.background(work, name="releases"):
            yield


def registering(house: House) -> Callable[[grpc.aio.Server], None]:
    """Return what adds the service to a server."""

    def register(server: grpc.aio.Server) -> None:
        ratelimit_pb2_grpc.add_RatelimitServiceServicer_to_server(house.service, server)

    return register
