"""The wiring of the quarantine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio

from mailweir.quarantine.v1 import quarantine_pb2_grpc
from mailweir_quarantine.adapters.sql import MIGRATIONS, SCHEMA, SqlRecords
from mailweir_quarantine.consumers import (
    BATCH_PAUSE_SECONDS,
    HOLD_BATCH,
    RECORD_BATCH,
    TRACK_BATCH,
    Desk,
    Holder,
    Recorder,
    Tracker,
)
from mailweir_quarantine.metrics import declare
from mailweir_quarantine.patience import Patience
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.releases import Releases
from mailweir_quarantine.service import QuarantineService
from mailweir_quarantine.settings import Settings
from mailweir_quarantine.upkeep import Upkeep
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.pull import pull_batches
from mailweir_runtime.bus.topology import HOLDER, RECORDER, TRACKER
from mailweir_runtime.config import ConfigWatch, HasPolicy
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve
from mailweir_runtime.sql import SqlError, migrate, open_database


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    async with (
        open_store(settings.database_url, settings.connect_seconds) as store,
        connect_bus(rt) as bus,
        ConfigWatch(rt, bus) as config,
    ):
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        await work(rt, settings.listen, store, bus, config)


@asynccontextmanager
async def open_store(url: str, seconds: float) -> AsyncIterator[RecordStore]:
    """Open the database and bring its schema up to date.

    Raises StartupError where it does not answer within `seconds`.
    """
    async with open_database(url, schema=SCHEMA) as database:
        try:
            await migrate(database, MIGRATIONS, patience_seconds=seconds)
        except SqlError as error:
            raise StartupError(f"cannot use the database: {error}") from error
        yield SqlRecords(database)


async def work(rt: Runtime, listen: str, store: RecordStore, bus: Bus, config: HasPolicy) -> None:
    """Consume and serve until the process is told to stop; ends with what is in flight done."""
    metrics = declare(rt.registry)
    if isinstance(rt.settings, Settings):
        metrics.room.of(rt.settings.database_url)
    releases = Releases(store, bus, metrics, rt.clock)
    upkeep = Upkeep(store, releases, config, metrics, rt.clock)
    service = QuarantineService(store, releases, bus.bodies, metrics)
    desk = Desk(store, Patience(rt, metrics.sql_errors, rt.stopping), metrics, rt.clock)

    def register(server: grpc.aio.Server) -> None:
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server(service, server)

    async with AsyncExitStack() as stack:
        for name, task in (
            ("heartbeat", heartbeat(rt, bus, config)),
            ("outbox", upkeep.work_off_outbox()),
            ("retention", upkeep.keep_retention()),
        ):
            await stack.enter_async_context(rt.background(task, name=name))
        await stack.enter_async_context(serve(rt, listen, register))
        rt.ready()
        await consume(desk, bus, rt.stopping)


async def consume(desk: Desk, bus: Bus, stopping: asyncio.Event) -> None:
    """Work the three streams until `stopping`; returns when what is in flight is done."""
    async with asyncio.TaskGroup() as tasks:
        for spec, handler, most in (
            (RECORDER, Recorder(desk), RECORD_BATCH),
            (TRACKER, Tracker(desk), TRACK_BATCH),
            (HOLDER, Holder(desk, bus.bodies), HOLD_BATCH),
        ):
            tasks.create_task(
                pull_batches(
                    bus, spec, handler,
                    most=most, stopping=stopping, pause_seconds=BATCH_PAUSE_SECONDS,
                ),
                name=spec.name,
            )  # fmt: skip
