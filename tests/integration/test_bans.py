"""Bans over a real nats-server: exact over several ratelimit processes, seen by every ingress at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.bans import Ban, OffenceKind, paused_login
from mailweir_core.clock import SystemClock
from mailweir_core.net import Address
from mailweir_ingress.adapters.bans import BusBans as IngressBans
from mailweir_policy.document import policy_from
from mailweir_ratelimit.app import build
from mailweir_ratelimit.bailiff import strikes_key
from mailweir_ratelimit.intrusion import Intrusion
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.strikes import load_strikes
from mailweir_ratelimit.settings import Settings
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.config import PolicySnapshot, StaticConfig
from mailweir_testkit.nats import connected_bus, nats_server, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

CLOCK = SystemClock()
CLIENT = ip_address("192.0.2.7")
WITHIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three ratelimit processes and two ingresses, each with a connection of its own."""

    ratelimit: Sequence[Intrusion]
    ingress: Sequence[IngressBans]


async def _ratelimit(bus: Bus) -> Intrusion:
    config = StaticConfig(PolicySnapshot(policy_from({}), "v.1"))
    settings = Settings(count_seconds=5.0)
    house = await build(bus, config, CLOCK, declare(CollectorRegistry()), settings)
    return house.intrusion


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with nats_server() as url, AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(connected_bus(url)) for _ in range(5)]
        services = [await _ratelimit(bus) for bus in buses[:3]]
        doors = [IngressBans(bus, CLOCK, f"mx-{n}") for n, bus in enumerate(buses[3:])]
        async with _running([*(s.follow for s in services), *(d.follow for d in doors)]):
            for door in doors:
                assert await door.first(10)
            yield Cluster(services, doors)


@asynccontextmanager
async def _running(works: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work()) for work in works]
        yield
        for task in running:
            task.cancel()


async def within(check: Callable[[], bool]) -> None:
    """Wait until `check` is true; raises TimeoutError where that takes longer than a second."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while not check():
            await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Door:
    """What an ingress says of a client and a login."""

    bans: IngressBans
    client: Address = CLIENT
    login: str = "bob@example.com"

    def turns_away(self) -> bool:
        return self.bans.of(self.client, CLOCK.now()) is not None

    def lets_in(self) -> bool:
        return not self.turns_away()

    def pauses(self) -> bool:
        return self.bans.account(paused_login(self.login, self.client), CLOCK.now()) is not None

    def blocks(self) -> bool:
        return self.bans.account(self.login, CLOCK.now()) is not None


async def test_counts_are_exact_over_three_processes_under_concurrency(cluster: Cluster) -> None:
    """Of 40 clients half offend four times, half five times, all at once: that half is banned, once each."""
    four = [f"198.51.{n}.1" for n in range(20)]
    five = [f"203.0.{n}.1" for n in range(20)]
    turns = [(client, n) for client in four for n in range(4)]
    turns += [(client, n) for client in five for n in range(5)]
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(
                cluster.ratelimit[n % 3].report([Offence(OffenceKind.UNKNOWN_USER, client)])
            )
            for client, n in turns
        ]
    said = Counter(ban.subject for task in running for ban in task.result() if isinstance(ban, Ban))
    assert said == Counter(f"{client}/32" for client in five)
    stored = (await cluster.ratelimit[0].bans(limit=1000)).bans
    assert {ban.subject for ban, _ in stored} == set(said)
    assert {ban.strikes for ban, _ in stored} == {1}


async def test_many_who_fill_the_same_tally_again_make_one_ban(cluster: Cluster) -> None:
    offence = Offence(OffenceKind.UNKNOWN_USER, "192.0.2.1", evidence="x@example.com")
    async with asyncio.TaskGroup() as tasks:
        for number in range(90):
            tasks.create_task(cluster.ratelimit[number % 3].report([offence]))
    ((ban, _),) = (await cluster.ratelimit[1].bans()).bans
    assert ban.strikes == 1
    assert ban.until - ban.since == 14_400


async def test_widening_is_exact_over_processes(cluster: Cluster) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            offence = Offence(OffenceKind.TRAP, f"192.0.2.{number}")
            tasks.create_task(cluster.ratelimit[number % 3].report([offence]))
    await within(Door(cluster.ingress[0], ip_address("192.0.2.99")).turns_away)


async def test_a_ban_holds_and_ends_on_every_ingress_within_a_second(cluster: Cluster) -> None:
    doors = [Door(bans) for bans in cluster.ingress]
    client = str(doors[0].client)
    (ban,) = await cluster.ratelimit[0].report([Offence(OffenceKind.TRAP, client)])
    assert ban is not None
    for door in doors:
        await within(door.turns_away)
    assert await cluster.ratelimit[1].unban(client, "admin")
    for door in doors:
        await within(door.lets_in)
    await within(lambda: not cluster.ratelimit[2].book.in_force(CLOCK.now()))
    for number in range(4):  # the next events do not ban again
        report = [Offence(OffenceKind.RELAY, client)]
        assert await cluster.ratelimit[number % 3].report(report) == [None]


async def test_a_paused_login_is_known_to_every_ingress(cluster: Cluster) -> None:
    for number in range(5):
        offence = Offence(OffenceKind.LOGIN, "192.0.2.7", login="Bob@example.com")
        await cluster.ratelimit[number % 3].report([offence])
    for door in map(Door, cluster.ingress):
        await within(door.pauses)
        assert not door.blocks()
        assert door.lets_in()


async def test_what_a_ban_turned_away_is_summed_over_ingresses(cluster: Cluster) -> None:
    (ban,) = await cluster.ratelimit[0].report([Offence(OffenceKind.TRAP, "192.0.2.7")])
    assert ban is not None
    for bans in cluster.ingress:
        await within(Door(bans).turns_away)
        for _ in range(3):
            bans.hit(ban, CLOCK.now())
        await bans.write_counts()
    ((_, hits),) = (await cluster.ratelimit[0].bans()).bans
    assert hits == 6


async def test_bans_and_strikes_outlive_the_broker_and_counting_goes_on() -> None:
    relay = Offence(OffenceKind.RELAY, "192.0.2.9", count=5)
    async with running_server() as server, connected_bus(server.url) as bus:
        intrusion = await _ratelimit(bus)
        await intrusion.report([Offence(OffenceKind.TRAP, "192.0.2.7")])
        await server.kill()
        assert await intrusion.report([relay]) == [None]  # away: nobody is banned
        await server.start()
        async with asyncio.timeout(20):
            while (await intrusion.report([relay]))[0] is None:
                await asyncio.sleep(0.1)
        another = await _ratelimit(bus)
        await another.load()
        subjects = {ban.subject for ban, _ in (await another.bans()).bans}
        assert subjects == {"192.0.2.7/32", "192.0.2.9/32"}
        (past,) = await another.stores.strikes.read([strikes_key("192.0.2.7/32")])
        assert load_strikes(past).count == 1
