"""What the routes work with."""

from collections.abc import Callable
from dataclasses import dataclass

from mailweir_core.clock import Clock
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.lists import Lists
from mailweir_gateway.metrics import GatewayMetrics
from mailweir_gateway.ports import Keys, Quarantine
from mailweir_gateway.ports_edge import Greylist, Ratelimit, Reputation
from mailweir_runtime.bus.ports import Bus


@dataclass(frozen=True, slots=True)
class Tools:
    """What the routes work with. `state`: starting, ready, degraded or draining, at the time."""

    quarantine: Quarantine
    ratelimit: Ratelimit
    greylist: Greylist
    reputation: Reputation
    bus: Bus
    keys: Keys
    accounts: Accounts
    lists: Lists
    metrics: GatewayMetrics
    clock: Clock
    version: str
    services: tuple[str, ...]
    state: Callable[[], str]
