"""The networks on the system's allow lists."""

import asyncio

import pytest

from mailweir_core.entries import dump_entry, make_entry
from mailweir_ratelimit.adapters.allowed import ListedNetworks
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Entry
from mailweir_runtime.bus.topology import LISTS

NOW = 1_750_000_000.0


def stored(kind: str, item: str, **more: object) -> Entry:
    entry = make_entry(kind, item, **more)  # type: ignore[arg-type]  # a test's shorthand
    return Entry(entry.id, dump_entry(entry), 1)


def texts(allowed: ListedNetworks, now: float = NOW) -> list[str]:
    return sorted(map(str, allowed.current(now)))


def test_networks_addresses_and_ranges_are_taken() -> None:
    allowed = ListedNetworks()
    for item in ("192.0.2.0/24", "198.51.100.7", "203.0.113.8-203.0.113.11", "2001:db8::/32"):
        allowed.take(stored("allow", item))
    assert texts(allowed) == ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "203.0.113.8/30"]


@pytest.mark.parametrize(
    "entry",
    [
        stored("block", "192.0.2.0/24"),
        stored("allow", "host:mail.example.net"),
        stored("allow", "user@example.com"),
        stored("allow", "192.0.2.0/24", owner="domain:example.com"),
        stored("allow", "192.0.2.0/24", recipients=("bob@example.com",)),
        Entry("x", b"moon", 1),
        Entry("x", None, 1),
    ],
)
def test_nothing_else_protects_from_bans(entry: Entry) -> None:
    allowed = ListedNetworks()
    allowed.take(entry)
    assert texts(allowed) == []


def test_what_is_removed_or_changed_protects_no_more() -> None:
    allowed = ListedNetworks()
    entry = stored("allow", "192.0.2.0/24")
    allowed.take(entry)
    before = allowed.current(NOW)
    assert allowed.current(NOW) is before
    allowed.take(Entry(entry.key, None, 2))
    assert texts(allowed) == []
    allowed.take(Entry(entry.key, stored("block", "192.0.2.0/24").value, 3))
    assert texts(allowed) == []


def test_what_expires_protects_until_then() -> None:
    allowed = ListedNetworks()
    allowed.take(stored("allow", "192.0.2.0/24", expires=NOW + 10))
    allowed.take(stored("allow", "198.51.100.0/24"))
    assert len(texts(allowed, NOW + 9)) == 2
    assert texts(allowed, NOW + 10) == ["198.51.100.0/24"]


async def test_the_bucket_is_followed() -> None:
    bus, allowed = MemoryBus(), ListedNetworks()
    bucket = await bus.bucket(LISTS)
    entry = stored("allow", "192.0.2.0/24")
    assert entry.value is not None
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(allowed.follow(bus))
        await bucket.put(entry.key, entry.value)
        while texts(allowed) != ["192.0.2.0/24"]:
            await asyncio.sleep(0.01)
        await bucket.delete(entry.key)
        while texts(allowed):
            await asyncio.sleep(0.01)
        task.cancel()
