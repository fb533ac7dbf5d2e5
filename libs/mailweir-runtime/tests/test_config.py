"""The policy in the bus: versions, the pointer, the watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mailweir_core.clock import ManualClock
from mailweir_policy import IdentityPolicy, Policy
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import CONFIG
from mailweir_runtime.config import (
    ConfigWatch,
    InvalidDocument,
    PolicySnapshot,
    PolicyVersion,
    current,
    decode,
    encode,
    ensure_first,
    history,
    load_version,
    propose,
    static_config,
)
from mailweir_runtime.runtime import Runtime
from mailweir_testkit.runtime import running_runtime


def named(hostname: str) -> Policy:
    return Policy(identity=IdentityPolicy(hostname=hostname))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
async def bucket(bus: MemoryBus) -> KeyValue:
    return await bus.bucket(CONFIG)


async def put(bus: MemoryBus, clock: ManualClock, hostname: str, expected: str | None) -> str:
    return await propose(
        bus, named(hostname), author="admin", reason="test", clock=clock, expected=expected
    )


async def test_the_first_version_is_made_once(bus: MemoryBus, clock: ManualClock) -> None:
    assert await current(bus) is None
    assert await ensure_first(bus, named("one.example"), clock) == "v.1"
    assert await ensure_first(bus, named("two.example"), clock) == "v.1"
    found = await current(bus)
    assert found is not None
    assert found.policy == named("one.example")
    assert (found.number, found.version, found.author) == (1, "v.1", "mailweir")
    assert found.created_at == clock.now()


async def test_many_first_starts_agree(bus: MemoryBus, clock: ManualClock) -> None:
    async with asyncio.TaskGroup() as tasks:
        starts = [
            tasks.create_task(ensure_first(bus, named(f"h{number}.example"), clock))
            for number in range(5)
        ]
    assert len({start.result() for start in starts}) == 1


async def test_a_proposal_becomes_the_next_version(bus: MemoryBus, clock: ManualClock) -> None:
    assert await put(bus, clock, "one.example", None) == "v.1"
    assert await put(bus, clock, "two.example", "v.1") == "v.2"
    found, former = await current(bus), await load_version(bus, 1)
    assert found is not None
    assert former is not None
    assert found.policy == named("two.example")
    assert former.policy == named("one.example")
    assert await history(bus) == [2, 1]
    assert await load_version(bus, 7) is None


@pytest.mark.parametrize("expected", [None, "v.1", "v.3"])
async def test_a_proposal_over_another_version_is_refused(
    bus: MemoryBus, clock: ManualClock, expected: str | None
) -> None:
    await put(bus, clock, "one.example", None)
    await put(bus, clock, "two.example", "v.1")
    with pytest.raises(RevisionConflict):
        await put(bus, clock, "mine.example", expected)
    assert await history(bus) == [2, 1]


async def test_of_two_proposals_at_once_one_wins(bus: MemoryBus, clock: ManualClock) -> None:
    await put(bus, clock, "one.example", None)

    async def attempt(hostname: str) -> str | None:
        try:
            return await put(bus, clock, hostname, "v.1")
        except RevisionConflict:
            return None

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(attempt(f"h{number}.example")) for number in range(2)]
    winners = [task.result() for task in attempts if task.result() is not None]
    assert len(winners) == 1
    found = await current(bus)
    assert found is not None
    assert found.version == winners[0]


async def test_a_version_without_a_pointer_is_passed_over(
    bus: MemoryBus, bucket: KeyValue, clock: ManualClock
) -> None:
    await put(bus, clock, "one.example", None)
    await bucket.create("v.2", b"its author died before moving the pointer")
    assert await put(bus, clock, "two.example", "v.1") == "v.3"


async def test_a_policy_that_is_too_big_changes_nothing(
    bus: MemoryBus, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(bus, clock, "one.example", None)
    monkeypatch.setattr("mailweir_runtime.config.MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(InvalidDocument, match="at most 100"):
        await put(bus, clock, "two.example", "v.1")
    assert await history(bus) == [1]


def test_a_document_comes_back_as_it_was() -> None:
    version = PolicyVersion(3, 1.5, "ädmin", "a\nreason " + "x" * 1000, named("a.example"))
    back = decode(encode(version))
    assert back.policy == version.policy
    assert (back.number, back.created_at, back.author) == (3, 1.5, "ädmin")
    assert len(back.reason) == 500
    document = json.loads(encode(version))
    assert list(document) == ["number", "created_at", "author", "reason", "policy"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"number": "x", "created_at": 1, "author": "", "reason": "", "policy": {}}',
        b'{"number": 1, "created_at": 1, "author": "", "reason": "", "policy": []}',
        b'{"number": 1, "created_at": 1, "author": "", "reason": "", "policy": {"nonsense": 1}}',
    ],
)
def test_bad_documents_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidDocument):
        decode(data)


@asynccontextmanager
async def watching(bus: MemoryBus) -> AsyncIterator[tuple[Runtime, ConfigWatch]]:
    async with running_runtime() as rt, ConfigWatch(rt, bus) as watch:
        rt.ready()
        yield rt, watch


def rejected(rt: Runtime, kind: str) -> float:
    value = rt.registry.get_sample_value("mailweir_config_rejected_total", {"kind": kind})
    assert value is not None
    return value


async def until_version(watch: ConfigWatch, version: str) -> None:
    async with asyncio.timeout(5):
        while watch.current.version != version:
            await asyncio.sleep(0.005)


async def until_state(rt: Runtime, state: str) -> None:
    async with asyncio.timeout(5):
        while rt.state != state:
            await asyncio.sleep(0.005)


async def test_the_watch_follows_the_pointer(bus: MemoryBus, clock: ManualClock) -> None:
    await put(bus, clock, "one.example", None)
    heard: list[str] = []
    async with watching(bus) as (rt, watch):
        first = await watch.first(2)
        assert first == PolicySnapshot(named("one.example"), "v.1")
        watch.subscribe(lambda snapshot: heard.append(snapshot.version))
        await put(bus, clock, "two.example", "v.1")
        await until_version(watch, "v.2")
        assert watch.current.policy == named("two.example")
        assert rt.registry.get_sample_value("mailweir_config_version_number") == 2
    assert heard == ["v.1", "v.2"]


async def test_the_first_policy_is_waited_for(bus: MemoryBus, clock: ManualClock) -> None:
    async with watching(bus) as (_, watch):
        with pytest.raises(LookupError):
            watch.current  # noqa: B018 - it is the access that raises
        with pytest.raises(BusUnavailable):
            await watch.first(0.05)
        await put(bus, clock, "one.example", None)
        assert (await watch.first(2)).version == "v.1"


async def test_a_bad_document_keeps_the_last_good_one(
    bus: MemoryBus, bucket: KeyValue, clock: ManualClock
) -> None:
    await put(bus, clock, "one.example", None)
    async with watching(bus) as (rt, watch):
        await watch.first(2)
        await bucket.put("v.2", b'{"policy": "broken"}')
        await bucket.put("current", b"2")
        await until_state(rt, "degraded")
        assert watch.current == PolicySnapshot(named("one.example"), "v.1")
        assert rejected(rt, "invalid") == 1
        assert "v.1 is kept" in rt.detail
        await bucket.put("current", b"1")
        await until_state(rt, "ready")


@pytest.mark.parametrize("pointer", [b"7", b"", b"x", b"-1", b"9" * 40])
async def test_a_pointer_to_nothing_keeps_the_last_good_one(
    bus: MemoryBus, bucket: KeyValue, clock: ManualClock, pointer: bytes
) -> None:
    await put(bus, clock, "one.example", None)
    async with watching(bus) as (rt, watch):
        await watch.first(2)
        await bucket.put("current", pointer)
        await until_state(rt, "degraded")
        assert watch.current.version == "v.1"
        assert rejected(rt, "vanished") + rejected(rt, "invalid") == 1


async def test_a_deleted_pointer_keeps_the_last_good_one(
    bus: MemoryBus, bucket: KeyValue, clock: ManualClock
) -> None:
    await put(bus, clock, "one.example", None)
    async with watching(bus) as (rt, watch):
        await watch.first(2)
        await bucket.delete("current")
        await until_state(rt, "degraded")
        assert watch.current.version == "v.1"
        assert rejected(rt, "vanished") == 1


async def test_an_outage_while_reading_is_waited_for(bus: MemoryBus, clock: ManualClock) -> None:
    await put(bus, clock, "one.example", None)
    async with watching(bus) as (rt, watch):
        await watch.first(2)
        await put(bus, clock, "two.example", "v.1")
        bus.outage = BusUnavailable("away")
        await asyncio.sleep(0.15)
        assert watch.current.version == "v.1"
        bus.outage = None
        await until_version(watch, "v.2")
        assert rt.state == "ready"


def test_a_static_policy() -> None:
    config = static_config(named("a.example"))
    assert config.current == PolicySnapshot(named("a.example"), "v.0")
    assert static_config().current.policy == Policy()
