"""The wiring of what the service knows by itself: entries, histories, correspondents, and who feeds them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from mailweir_reputation.acquaintance import Acquaintances
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics
from mailweir_reputation.adapters.asn import load_asn_file
from mailweir_reputation.adapters.entries import BusEntries, BusHits
from mailweir_reputation.adapters.history import BusHistory
from mailweir_reputation.historian import Historian
from mailweir_reputation.listing import Listing
from mailweir_reputation.past import Past
from mailweir_reputation.policy.asn import AsnTable
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.lifecycle import Runtime, StartupError

LOAD_SECONDS: Final = 300.0
"""For the first reading of the lists: a million entries take most of a minute."""


@asynccontextmanager
async def acquainted(
    rt: Runtime, bus: Bus, config: HasPolicy, asn_file: Path | None, metrics: AcquaintanceMetrics
) -> AsyncIterator[Acquaintances]:
    """Yield the acquaintances once the lists are read, and keep them fresh; raises StartupError."""
    asn = await load_asn(asn_file)
    hits = BusHits(bus, metrics)
    entries = BusEntries(bus, metrics, hits.forget)
    store = BusHistory(bus, rt.clock, metrics)
    historian = Historian(store, asn, config, rt.clock, metrics)
    async with AsyncExitStack() as stack:
        for name, work in (
            ("entries", entries.run()),
            ("entry-hits", hits.run()),
            ("historian", historian.run(bus, rt.stopping)),
        ):
            await stack.enter_async_context(rt.background(work, name=name))
        await _read(entries)
        listing, past = Listing(entries, hits, metrics), Past(store, asn, metrics)
        yield Acquaintances(listing, past, config)
    await hits.flush()


async def load_asn(path: Path | None) -> AsnTable:
    """Return the table of autonomous systems; raises StartupError where its file cannot be read."""
    try:
        return await asyncio.to_thread(load_asn_file, path)
    except (OSError, ValueError) as error:
        raise StartupError(f"asn_file: {error}") from error


async def _read(entries: BusEntries) -> None:
    try:
        async with asyncio.timeout(LOAD_SECONDS):
            await entries.ready.wait()
    except TimeoutError:
        raise StartupError(f"the lists were not read within {LOAD_SECONDS:g} s") from None
