"""The wiring of the greylist service."""

import asyncio
from functools import partial

from mailweir_greylist.adapters.index import Index
from mailweir_greylist.adapters.store import KvStore
from mailweir_greylist.checking import Checker
from mailweir_greylist.counting import Counting
from mailweir_greylist.marks import Marker
from mailweir_greylist.metrics import declare
from mailweir_greylist.ports import Store, StoreLost
from mailweir_greylist.service import GreylistService, Parts, add_to
from mailweir_greylist.settings import Settings
from mailweir_mail.auth.suffix import organizational_domain
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import ConfigWatch
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    metrics = declare(rt.registry)
    # The list of public suffixes is read with the first question to it, which takes longer than a check may.
    await asyncio.to_thread(organizational_domain, "example.com")
    async with connect_bus(rt) as bus, ConfigWatch(rt, bus) as config:
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        store = KvStore(bus, metrics)
        started = await first_start(rt, store)
        checker = Checker(store, rt.clock, metrics)
        counting = Counting(checker, store, metrics)
        index = Index(bus, settings.index_entries, metrics, rt.clock)
        parts = Parts(
            checker, counting, index, store, config,
            clock=rt.clock, metrics=metrics, started=started, batch_items=settings.batch_items,
        )  # fmt: skip
        service = GreylistService(parts)
        marker = Marker(bus, store, config, rt.clock)
        async with (
            rt.background(heartbeat(rt, bus, config), name="heartbeat"),
            rt.background(index.run(), name="index"),
            rt.background(counting.run(), name="counting"),
            rt.background(marker.run(), name="marks"),
            serve(rt, settings.listen, partial(add_to, service=service)),
        ):
            rt.ready()
            await rt.stopping.wait()


async def first_start(rt: Runtime, store: Store) -> float:
    """Return when the service was first started; raises StartupError where the store cannot say."""
    try:
        return await store.first_start(rt.clock.now())
    except StoreLost as error:
        raise StartupError(f"store: {error}") from error
