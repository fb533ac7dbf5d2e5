"""The OpenAPI document, made without anything running: `docs/openapi.json` is written from it."""

from typing import Any

from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.adapters.greylist import MemoryGreylist
from mailweir_gateway.adapters.keys_memory import MemoryKeys
from mailweir_gateway.adapters.quarantine import MemoryQuarantine
from mailweir_gateway.adapters.ratelimit import MemoryRatelimit
from mailweir_gateway.adapters.reputation import MemoryReputation
from mailweir_gateway.lists import Lists
from mailweir_gateway.metrics import declare
from mailweir_gateway.service import build_api
from mailweir_gateway.tools import Tools
from mailweir_runtime.bus.memory import MemoryBus


def document() -> dict[str, Any]:
    """Return the document."""
    bus, clock = MemoryBus(), SystemClock()
    return build_api(
        Tools(
            quarantine=MemoryQuarantine(),
            ratelimit=MemoryRatelimit(clock),
            greylist=MemoryGreylist(),
            reputation=MemoryReputation(),
            bus=bus,
            keys=MemoryKeys(),
            accounts=Accounts(bus),
            lists=Lists(bus, clock),
            metrics=declare(CollectorRegistry()),
            clock=clock,
            version="",
            services=(),
            state=lambda: "ready",
        )
    ).openapi()
