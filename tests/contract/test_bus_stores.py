"""The bus contract: buckets and bodies, on memory and on a real nats-server."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, Entry, KeyValue, RevisionConflict
from mailweir_runtime.bus.topology import ACCOUNTS, CONFIG, PASSES, RATES, BucketSpec
from mailweir_testkit.nats import connected_bus, nats_server


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.integration)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    async with nats_server() as url, connected_bus(url) as real:
        yield real


@pytest.fixture
async def bucket(bus: Bus) -> KeyValue:
    return await bus.bucket(CONFIG)


class Watcher:
    """Collects what a watch yields."""

    def __init__(self, watch: AsyncIterator[Entry], tasks: asyncio.TaskGroup) -> None:
        self.seen: list[tuple[str, bytes | None]] = []
        self._watch = watch
        self._task = tasks.create_task(self._run())

    async def _run(self) -> None:
        async for entry in self._watch:
            self.seen.append((entry.key, entry.value))

    async def until(self, *wanted: tuple[str, bytes | None]) -> None:
        async with asyncio.timeout(10):
            while self.seen[-len(wanted) :] != list(wanted):
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        self._task.cancel()


async def test_get_put_and_revisions(bucket: KeyValue) -> None:
    assert await bucket.get("v.1") is None
    first = await bucket.put("v.1", b"one")
    second = await bucket.put("v.1", b"two")
    assert second > first
    assert await bucket.get("v.1") == Entry("v.1", b"two", second)


async def test_an_empty_value_is_a_value(bucket: KeyValue) -> None:
    revision = await bucket.put("v.1", b"")
    assert await bucket.get("v.1") == Entry("v.1", b"", revision)


async def test_create_only_where_there_is_none(bucket: KeyValue) -> None:
    await bucket.create("v.1", b"one")
    with pytest.raises(RevisionConflict):
        await bucket.create("v.1", b"two")
    found = await bucket.get("v.1")
    assert found is not None
    assert found.value == b"one"


async def test_create_after_a_delete(bucket: KeyValue) -> None:
    await bucket.create("v.1", b"one")
    await bucket.delete("v.1")
    assert await bucket.get("v.1") is None
    await bucket.create("v.1", b"two")
    with pytest.raises(RevisionConflict):
        await bucket.create("v.1", b"three")


async def test_update_only_over_the_revision(bucket: KeyValue) -> None:
    first = await bucket.put("current", b"1")
    second = await bucket.update("current", b"2", first)
    with pytest.raises(RevisionConflict):
        await bucket.update("current", b"3", first)
    assert await bucket.get("current") == Entry("current", b"2", second)


async def test_update_of_a_missing_or_deleted_key_is_a_conflict(bucket: KeyValue) -> None:
    with pytest.raises(RevisionConflict):
        await bucket.update("none", b"x", 7)
    revision = await bucket.put("gone", b"1")
    await bucket.delete("gone")
    with pytest.raises(RevisionConflict):
        await bucket.update("gone", b"2", revision)


async def test_of_many_updates_at_once_one_wins(bucket: KeyValue) -> None:
    revision = await bucket.put("current", b"0")

    async def attempt(value: bytes) -> bool:
        try:
            await bucket.update("current", value, revision)
        except RevisionConflict:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(attempt(b"%d" % number)) for number in range(8)]
    winners = [number for number, done in enumerate(attempts) if done.result()]
    assert len(winners) == 1
    found = await bucket.get("current")
    assert found is not None
    assert found.value == b"%d" % winners[0]


async def test_delete_of_nothing_is_no_error(bucket: KeyValue) -> None:
    await bucket.delete("none")
    await bucket.put("a", b"1")
    await bucket.delete("a")
    await bucket.delete("a")
    assert await bucket.entries() == []


async def test_entries_are_live_sorted_and_prefixed(bucket: KeyValue) -> None:
    for key in ("v.2", "v.10", "current", "v.1", "vx"):
        await bucket.put(key, key.encode())
    await bucket.delete("v.2")
    assert [e.key for e in await bucket.entries()] == ["current", "v.1", "v.10", "vx"]
    assert [e.key for e in await bucket.entries("v.")] == ["v.1", "v.10"]
    assert [e.key for e in await bucket.entries("v.1")] == ["v.1", "v.10"]
    assert [e.key for e in await bucket.entries("v")] == ["v.1", "v.10", "vx"]
    assert await bucket.entries("none") == []
    (entry,) = await bucket.entries("cur")
    assert entry == await bucket.get("current")


async def test_buckets_are_apart(bus: Bus) -> None:
    await (await bus.bucket(CONFIG)).put("a", b"1")
    assert await (await bus.bucket(ACCOUNTS)).get("a") is None


@pytest.mark.parametrize(
    "key", ["", "a b", ".a", "a.", "a..b", "a*", "a.>", "é", "a\r\nb", "x" * 2000]
)
async def test_a_bad_key_is_refused(bucket: KeyValue, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await bucket.put(key, b"x")
    with pytest.raises(ValueError, match="key"):
        await bucket.get(key)


async def test_a_watch_yields_what_is_there_then_each_change(bucket: KeyValue) -> None:
    await bucket.put("v.1", b"one")
    await bucket.put("gone", b"x")
    await bucket.delete("gone")
    async with asyncio.TaskGroup() as tasks:
        watcher = Watcher(bucket.watch(), tasks)
        await watcher.until(("v.1", b"one"))
        await bucket.put("v.2", b"two")
        await bucket.put("v.1", b"three")
        await bucket.delete("v.2")
        await watcher.until(("v.2", b"two"), ("v.1", b"three"), ("v.2", None))
        watcher.stop()
    assert watcher.seen[0] == ("v.1", b"one")
    assert len(watcher.seen) == 4


async def test_a_watch_says_when_what_was_there_has_been_taken(bucket: KeyValue) -> None:
    seen: list[str] = []

    async def follow() -> None:
        async for entry in bucket.watch(caught_up=lambda: seen.append("caught up")):
            seen.append(entry.key)

    for key in ("a", "b", "gone"):
        await bucket.put(key, b"1")
    await bucket.delete("gone")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow())
        async with asyncio.timeout(10):
            while "caught up" not in seen:
                await asyncio.sleep(0.01)
            await bucket.put("c", b"1")
            while "c" not in seen:
                await asyncio.sleep(0.01)
        task.cancel()
    assert seen == ["a", "b", "caught up", "c"]


async def test_an_empty_bucket_is_caught_up_with_at_once(bucket: KeyValue) -> None:
    caught_up = asyncio.Event()

    async def follow() -> None:
        async for _ in bucket.watch(caught_up=caught_up.set):
            pytest.fail("there is nothing")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow())
        async with asyncio.timeout(10):
            await caught_up.wait()
        task.cancel()


async def test_a_watch_of_an_empty_bucket_waits(bucket: KeyValue) -> None:
    async with asyncio.TaskGroup() as tasks:
        watcher = Watcher(bucket.watch(), tasks)
        await asyncio.sleep(0.2)
        assert watcher.seen == []
        await bucket.put("a", b"1")
        await watcher.until(("a", b"1"))
        watcher.stop()


async def test_a_watch_is_for_a_prefix_or_for_one_key(bucket: KeyValue) -> None:
    await bucket.put("current", b"1")
    await bucket.put("currently", b"no")
    async with asyncio.TaskGroup() as tasks:
        exact = Watcher(bucket.watch("current", exact=True), tasks)
        prefix = Watcher(bucket.watch("v."), tasks)
        await exact.until(("current", b"1"))
        for key in ("v.1", "currently", "current"):
            await bucket.put(key, b"2")
        await exact.until(("current", b"1"), ("current", b"2"))
        await prefix.until(("v.1", b"2"))
        exact.stop()
        prefix.stop()
    assert len(exact.seen) == 2
    assert len(prefix.seen) == 1


async def test_many_keys_are_read_in_order(bucket: KeyValue) -> None:
    first = await bucket.put("v.1", b"one")
    second = await bucket.put("v.2", b"")
    await bucket.put("gone", b"x")
    await bucket.delete("gone")
    one, two = Entry("v.1", b"one", first), Entry("v.2", b"", second)
    assert await bucket.get_many(["v.2", "none", "v.1", "gone", "v.2"]) == [
        two,
        None,
        one,
        None,
        two,
    ]
    assert await bucket.get_many([]) == []
    assert await bucket.get_many(["none"]) == [None]
    with pytest.raises(ValueError, match="key"):
        await bucket.get_many(["v.1", "a b"])


async def test_more_keys_than_fit_one_request(bucket: KeyValue) -> None:
    keys = [f"k.{number}" for number in range(1500)]
    for key in keys[::100]:
        await bucket.put(key, key.encode())
    found = await bucket.get_many(keys)
    assert [e.key for e in found if e is not None] == keys[::100]
    assert [e is not None for e in found] == [number % 100 == 0 for number in range(1500)]


async def test_what_changed_after_a_revision(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    assert await bucket.changes(0) == []
    first = await bucket.put("a", b"1")
    await bucket.put("b", b"2")
    await bucket.put("c.d", b"")
    await bucket.put("a", b"3")
    told = await bucket.changes(0)
    assert [(e.key, e.value) for e in told] == [("b", b"2"), ("c.d", b""), ("a", b"3")]
    assert [e.key for e in await bucket.changes(first, 1)] == ["b"]
    newest = told[-1].revision
    assert await bucket.changes(newest) == []
    assert await bucket.changes(newest + 1000) == []
    await bucket.delete("b")
    assert [(e.key, e.value) for e in await bucket.changes(newest)] == [("b", None)]


async def test_a_copy_of_a_big_bucket_is_made_part_by_part(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    for number in range(30):
        await bucket.put(f"k.{number}", b"x" * 60_000, ttl_seconds=60.0)
    await bucket.put("k.3", b"new")
    copy: dict[str, bytes | None] = {}
    after = 0
    while told := await bucket.changes(after, 7):
        assert len(told) <= 7
        copy |= {e.key: e.value for e in told}
        after = told[-1].revision
    assert len(copy) == 30
    assert copy["k.3"] == b"new"


async def test_that_a_key_ran_out_is_told(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    revision = await bucket.put("a", b"1", ttl_seconds=1.0)
    await until_gone(bucket, "a")
    assert [(e.key, e.value) for e in await bucket.changes(revision)] == [("a", None)]


async def test_many_big_values_are_read_whole(bucket: KeyValue) -> None:
    keys = [f"k.{number}" for number in range(40)]
    for key in keys:
        await bucket.put(key, key.encode() * 100_000)
    found = await bucket.get_many(keys)
    assert [e.value for e in found if e is not None] == [k.encode() * 100_000 for k in keys]


@pytest.mark.parametrize("spec", [PASSES, RATES], ids=lambda spec: spec.storage)
async def test_a_key_ends_when_its_time_is_up(bus: Bus, spec: BucketSpec) -> None:
    bucket = await bus.bucket(spec)
    async with asyncio.TaskGroup() as tasks:
        watcher = Watcher(bucket.watch(), tasks)
        await bucket.put("stays", b"1")
        await bucket.put("ends", b"2", ttl_seconds=0.5)
        await bucket.create("ends.too", b"3", ttl_seconds=1.0)
        assert await bucket.get("ends") is not None  # a part of a second counts as a whole one
        async with asyncio.timeout(8):
            while len(watcher.seen) < 5:
                await asyncio.sleep(0.01)
        watcher.stop()
    assert sorted(watcher.seen[:3]) == [("ends", b"2"), ("ends.too", b"3"), ("stays", b"1")]
    assert sorted(watcher.seen[3:]) == [("ends", None), ("ends.too", None)]
    assert await bucket.get("ends") is None
    assert [e and e.key for e in await bucket.get_many(["ends", "stays"])] == [None, "stays"]
    assert [e.key for e in await bucket.entries()] == ["stays"]


async def test_a_key_that_ran_out_is_created_anew(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    revision = await bucket.create("a", b"1", ttl_seconds=1.0)
    with pytest.raises(RevisionConflict):
        await bucket.create("a", b"2", ttl_seconds=1.0)
    await until_gone(bucket, "a")
    with pytest.raises(RevisionConflict):
        await bucket.update("a", b"2", revision)
    again = await bucket.create("a", b"3", ttl_seconds=60.0)
    assert await bucket.get("a") == Entry("a", b"3", again)
    with pytest.raises(RevisionConflict):
        await bucket.create("a", b"4")


async def test_of_many_who_create_what_ran_out_one_wins(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    await bucket.put("a", b"0", ttl_seconds=1.0)
    await until_gone(bucket, "a")

    async def attempt(value: bytes) -> bool:
        try:
            await bucket.create("a", value, ttl_seconds=60.0)
        except RevisionConflict:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(attempt(b"%d" % number)) for number in range(8)]
    assert [task.result() for task in attempts].count(True) == 1


async def test_a_later_write_sets_the_end_anew(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    first = await bucket.put("longer", b"1", ttl_seconds=1.0)
    await bucket.put("for.ever", b"1", ttl_seconds=1.0)
    last = await bucket.put("shorter", b"1", ttl_seconds=600.0)
    await bucket.update("longer", b"2", first, ttl_seconds=600.0)
    await bucket.put("for.ever", b"2")
    await bucket.update("shorter", b"2", last, ttl_seconds=1.0)
    await until_gone(bucket, "shorter")
    await asyncio.sleep(1.0)
    assert [e.key for e in await bucket.entries()] == ["for.ever", "longer"]


async def test_a_watch_that_begins_later_sees_no_key_that_ran_out(bus: Bus) -> None:
    bucket = await bus.bucket(PASSES)
    await bucket.put("a", b"1", ttl_seconds=1.0)
    await until_gone(bucket, "a")
    async with asyncio.TaskGroup() as tasks:
        watcher = Watcher(bucket.watch(), tasks)
        await bucket.put("b", b"2", ttl_seconds=60.0)
        await watcher.until(("b", b"2"))
        watcher.stop()
    assert watcher.seen == [("b", b"2")]


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
async def test_a_time_to_live_is_a_time(bus: Bus, seconds: float) -> None:
    bucket = await bus.bucket(PASSES)
    with pytest.raises(ValueError, match="not a time to live"):
        await bucket.put("a", b"1", ttl_seconds=seconds)


async def test_a_time_to_live_needs_a_bucket_for_it(bucket: KeyValue) -> None:
    with pytest.raises(ValueError, match="no time to live by key"):
        await bucket.put("a", b"1", ttl_seconds=1.0)
    with pytest.raises(ValueError, match="no time to live by key"):
        await bucket.create("a", b"1", ttl_seconds=1.0)
    with pytest.raises(ValueError, match="no time to live by key"):
        await bucket.update("a", b"1", 1, ttl_seconds=1.0)
    assert await bucket.get("a") is None


async def until_gone(bucket: KeyValue, key: str) -> None:
    async with asyncio.timeout(8):
        while await bucket.get(key) is not None:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("size", [0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_001])
async def test_a_body_comes_back_as_it_was(bus: Bus, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    stored = await bus.bodies.put("mail/01ABC", content)
    assert (stored.key, stored.bytes) == ("mail/01ABC", size)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert await bus.bodies.get("mail/01ABC") == content


async def test_a_body_is_replaced(bus: Bus) -> None:
    await bus.bodies.put("held/a", b"first" * 200_000)
    await bus.bodies.put("held/a", b"second")
    assert await bus.bodies.get("held/a") == b"second"
    assert await bus.bodies.keys() == ["held/a"]


async def test_a_deleted_body_is_gone(bus: Bus) -> None:
    assert await bus.bodies.get("none") is None
    await bus.bodies.delete("none")
    await bus.bodies.put("mail/a", b"x")
    await bus.bodies.put("mail/b", b"y")
    await bus.bodies.delete("mail/a")
    await bus.bodies.delete("mail/a")
    assert await bus.bodies.get("mail/a") is None
    assert await bus.bodies.keys() == ["mail/b"]
    await bus.bodies.put("mail/a", b"again")
    assert await bus.bodies.get("mail/a") == b"again"


async def test_body_keys_may_hold_anything(bus: Bus) -> None:
    key = "mail/ünï code > * . \r\n"
    await bus.bodies.put(key, b"x")
    assert await bus.bodies.keys() == [key]
    assert await bus.bodies.get(key) == b"x"


async def test_readers_see_the_old_body_or_the_new_one(bus: Bus) -> None:
    bodies = [bytes([number]) * (1_200_000 + number) for number in range(6)]
    await bus.bodies.put("mail/a", bodies[0])
    seen: set[bytes] = set()

    async def read(done: asyncio.Event) -> None:
        while not done.is_set():
            content = await bus.bodies.get("mail/a")
            assert content in bodies
            seen.add(content)
            await asyncio.sleep(0)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(done))
        for body in bodies[1:]:
            await bus.bodies.put("mail/a", body)
            await asyncio.sleep(0.01)
        done.set()
    assert await bus.bodies.get("mail/a") == bodies[-1]
    assert seen
