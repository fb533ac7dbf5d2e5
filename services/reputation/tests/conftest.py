"""What the tests of the reputation service share: a checker on a real name server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mailweir_core.client import ClientFacts
from mailweir_core.clock import SystemClock
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_policy.reputation import EdgeZone
from mailweir_reputation.adapters.strangers import Strangers
from mailweir_reputation.app import DNS_LIMITS, parts_of
from mailweir_reputation.checking import Checker
from mailweir_reputation.health import Keeper
from mailweir_reputation.metrics import Metrics, declare
from mailweir_reputation.policy.items import Item, Phase, Result
from mailweir_reputation.policy.lists.health import Watch, ZoneState
from mailweir_runtime.dns import open_resolver
from mailweir_testkit.dns import DnsServer, dns_server
from mailweir_testkit.dnslists import DnsList

CLIENT = "203.0.113.7"


@dataclass
class World:
    """A checker with all that a test moves."""

    dns: DnsServer
    checker: Checker
    keeper: Keeper
    metrics: Metrics
    registry: CollectorRegistry
    strangers: Strangers
    policy: Policy
    clock: SystemClock
    seconds: float = 1.0
    lists: dict[str, DnsList] = field(default_factory=dict)

    async def check(self, item: Item) -> Result:
        return await self.checker.check(item, self.policy, self.clock.monotonic() + self.seconds)

    async def connect(self, ip: str = CLIENT, **session: Any) -> Result:
        return await self.check(Item(Phase.CONNECT, Session("s", Listener.MX, ip, **session)))

    async def mail(
        self,
        sender: str,
        helo: str = "",
        ip: str = CLIENT,
        client: ClientFacts | None = None,
    ) -> Result:
        session = Session("s", Listener.MX, ip, helo=helo)
        return await self.check(Item(Phase.MAIL, session, client or ClientFacts(), sender))

    def watch(self, name: str) -> Watch:
        return next(watch for watch in self.keeper if watch.zone.name == name)

    async def until_state(self, name: str, state: ZoneState, seconds: float = 5.0) -> None:
        await until(lambda: self.watch(name).state is state, seconds)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mailweir_reputation_{name}", labels)

    def exposed(self) -> str:
        return generate_latest(self.registry).decode()


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def zone_of(name: str, **more: object) -> EdgeZone:
    return EdgeZone.model_validate(
        {
            "name": name,
            "zone": f"{name}.example.org",
            "kinds": {"ip4", "ip6"},
            "checks": {"client"},
            "score": 4.0,
            **more,
        }
    )


def policy_of(*zones: EdgeZone, edge: dict[str, Any] | None = None, **rules: Any) -> Policy:
    return Policy.model_validate({"reputation": {"zones": zones, **rules}, "edge": edge or {}})


@asynccontextmanager
async def making(
    policy: Policy, lists: dict[str, DnsList], zones: dict[str, str], keys: dict[str, str]
) -> AsyncIterator[World]:
    registry, clock = CollectorRegistry(), SystemClock()
    metrics, strangers = declare(registry), Strangers()
    async with dns_server(zones) as dns:
        for origin, listing in lists.items():
            dns.listing(origin, listing)
        async with (
            open_resolver(
                dns.address, clock=clock, metrics=metrics.dns, limits=DNS_LIMITS
            ) as resolver,
            Keeper(
                resolver, keys, clock, metrics.lists, lambda n: bytes(range(7, 7 + n))
            ) as keeper,
        ):
            keeper.follow(policy)
            parts = parts_of(strangers, resolver, keeper, clock, metrics)
            checker = Checker(parts, clock, metrics)
            yield World(
                dns, checker, keeper, metrics, registry, strangers, policy, clock, lists=lists
            )


class Make:
    """Makes what a test needs; a fixture, since tests cannot import each other."""

    zone = staticmethod(zone_of)
    policy = staticmethod(policy_of)
    until = staticmethod(until)

    @staticmethod
    @asynccontextmanager
    async def world(
        policy: Policy,
        lists: dict[str, DnsList] | None = None,
        zones: dict[str, str] | None = None,
        keys: dict[str, str] | None = None,
    ) -> AsyncIterator[World]:
        """Open a world; the list `bl` is at bl.example.org."""
        at = {f"{name}.example.org": listing for name, listing in (lists or {}).items()}
        async with making(policy, at, zones or {}, keys or {}) as made:
            made.lists = lists or {}
            yield made


@pytest.fixture
def make() -> type[Make]:
    """Return what makes worlds, policies and lists."""
    return Make
