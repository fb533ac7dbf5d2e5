"""Where bans lie: the same contract in memory, on the bus in memory, and on a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key, dump_ban
from mailweir_core.clock import ManualClock, SystemClock
from mailweir_core.hits import Hits, dump_hits, hits_key
from mailweir_ratelimit.adapters.bans import GRACE_SECONDS, BusBans, MemoryBans, ttl_of
from mailweir_ratelimit.ports_bans import Bans
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import BANS, RATES
from mailweir_testkit.nats import connected_bus, nats_server

NOW = SystemClock().now()
BAN = Ban("192.0.2.5/32", OffenceKind.TRAP, "message to a trap", NOW, NOW + 3600, 2, True)
OTHER = replace(BAN, subject="account:bob@example.com", until=0.0)


@pytest.fixture(params=["memory", "bus", pytest.param("nats", marks=pytest.mark.integration)])
async def bans(request: pytest.FixtureRequest) -> AsyncIterator[Bans]:
    if request.param == "memory":
        yield MemoryBans()
    elif request.param == "bus":
        yield BusBans(MemoryBus())
    else:
        async with nats_server() as url, connected_bus(url) as bus:
            yield BusBans(bus)


async def test_a_claimed_ban_is_there(bans: Bans) -> None:
    assert await bans.get(BAN.subject) is None
    assert await bans.claim(BAN, None, NOW)
    found = await bans.get(BAN.subject)
    assert found is not None
    assert found.ban == BAN
    assert await bans.all() == [BAN]


async def test_of_two_who_claim_one_is_told(bans: Bans) -> None:
    assert await bans.claim(BAN, None, NOW)
    assert not await bans.claim(replace(BAN, strikes=3), None, NOW)
    found = await bans.get(BAN.subject)
    assert found is not None
    assert await bans.claim(replace(BAN, strikes=4), found, NOW)
    assert not await bans.claim(replace(BAN, strikes=5), found, NOW)
    again = await bans.get(BAN.subject)
    assert again is not None
    assert again.ban.strikes == 4


async def test_of_many_at_once_one_claims(bans: Bans) -> None:
    async with asyncio.TaskGroup() as tasks:
        claims = [
            tasks.create_task(bans.claim(replace(BAN, strikes=n), None, NOW)) for n in range(1, 9)
        ]
    assert sum(claim.result() for claim in claims) == 1


async def test_put_replaces_whatever_is_there(bans: Bans) -> None:
    await bans.put(BAN, NOW)
    await bans.put(replace(BAN, evidence="again"), NOW)
    assert [ban.evidence for ban in await bans.all()] == ["again"]


async def test_remove_says_whether_there_was_one(bans: Bans) -> None:
    await bans.put(OTHER, NOW)
    assert not await bans.remove(BAN.subject)
    assert await bans.remove(OTHER.subject)
    assert not await bans.remove(OTHER.subject)
    assert await bans.get(OTHER.subject) is None
    assert await bans.claim(OTHER, None, NOW)


async def test_changes_tell_what_is_there_and_what_comes(bans: Bans) -> None:
    await bans.put(BAN, NOW)
    seen: list[tuple[str, Ban | None]] = []
    wanted = [
        (ban_key(BAN.subject), BAN),
        (ban_key(OTHER.subject), OTHER),
        (ban_key(BAN.subject), None),
    ]
    async with asyncio.timeout(10):
        async for change in bans.changes():
            seen.append(change)
            if len(seen) == 1:
                await bans.put(OTHER, NOW)
                await bans.remove(BAN.subject)
            if len(seen) == len(wanted):
                break
    assert seen == wanted


async def test_no_hits_without_connections(bans: Bans) -> None:
    assert await bans.hits() == {}


async def test_hits_are_summed_over_processes() -> None:
    bus = MemoryBus()
    rates = await bus.bucket(RATES)
    for instance, count in (("mx-1", 3), ("mx-2", 4)):
        await rates.put(hits_key(BAN.subject, instance), dump_hits(Hits(count, NOW)))
    await rates.put(hits_key(OTHER.subject, "mx-1"), b"moon")
    await rates.put("c.other.counter", b"7")
    hits = await BusBans(bus).hits()
    assert hits == {ban_key(BAN.subject): 7, ban_key(OTHER.subject): 0}


async def test_a_ban_is_gone_from_the_bus_soon_after_its_end() -> None:
    clock = ManualClock(NOW)
    bus = MemoryBus(clock)
    bans = BusBans(bus)
    await bans.put(BAN, NOW)
    clock.advance(3600)
    assert await bans.get(BAN.subject) is not None
    clock.advance(GRACE_SECONDS + 1)
    assert await bans.get(BAN.subject) is None


async def test_what_cannot_be_read_is_no_ban() -> None:
    bus = MemoryBus()
    bucket = await bus.bucket(BANS)
    await bucket.put(ban_key(BAN.subject), b"moon")
    await bucket.put("else", dump_ban(OTHER))
    bans = BusBans(bus)
    assert await bans.get(BAN.subject) is None
    assert await bans.all() == []


def test_a_ban_without_end_is_stored_for_ever_and_an_old_one_briefly() -> None:
    assert ttl_of(OTHER, NOW) == 0.0
    assert ttl_of(BAN, NOW + 9999) == GRACE_SECONDS
