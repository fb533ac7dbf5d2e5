"""Cache, single flight, breakers and bounds, by a clock that is moved by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hypothesis import given, strategies as st
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_runtime.dns import CachingResolver, Limits, declare
from mailweir_runtime.dns.breaker import Breakers, last_labels
from mailweir_runtime.dns.cache import AnswerCache

FOUND = DnsAnswer(DnsStatus.OK, ("192.0.2.1",), 60.0)
FAILED = DnsAnswer(DnsStatus.TEMPERROR, detail="name server: code")


def question(name: str = "www.example.org") -> DnsQuestion:
    return DnsQuestion(name, RecordType.A)


@dataclass
class Scripted:
    """An upstream that says what it is told, and waits where it is told to."""

    answer: DnsAnswer | Exception = FOUND
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    most_at_once: int = 0
    at_once: int = 0

    async def ask(self, question: DnsQuestion, seconds: float) -> DnsAnswer:
        self.asked.append(question.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.gate is not None:
            await self.gate.wait()
        self.at_once -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Bench:
    resolver: CachingResolver
    upstream: Scripted
    clock: ManualClock
    registry: CollectorRegistry

    async def ask(self, *names: str, seconds: float = 1.0) -> tuple[DnsAnswer, ...]:
        return await self.resolver.resolve(tuple(map(question, names)), seconds)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mailweir_test_dns_{name}", labels)


@asynccontextmanager
async def bench(
    answer: DnsAnswer | Exception = FOUND, limits: Limits | None = None
) -> AsyncIterator[Bench]:
    clock, registry, upstream = ManualClock(), CollectorRegistry(), Scripted(answer)
    metrics = declare(registry, "test")
    async with CachingResolver(upstream, clock, metrics, limits) as resolver:
        yield Bench(resolver, upstream, clock, registry)


async def test_an_answer_is_kept_for_its_ttl_which_runs_down() -> None:
    async with bench() as b:
        await b.ask("a.example.org")
        b.clock.advance(59.0)
        (kept,) = await b.ask("a.example.org")
        assert (kept.records, kept.ttl) == (FOUND.records, 1.0)
        b.clock.advance(1.0)
        await b.ask("a.example.org")
        assert b.upstream.asked == ["a.example.org"] * 2
        assert b.metric("questions_total", source="cache") == 1.0
        assert b.metric("questions_total", source="server") == 2.0


async def test_times_are_kept_between_the_limits() -> None:
    limits = Limits(shortest_ttl=5.0, longest_ttl=100.0, longest_negative=50.0, failure_ttl=3.0)
    cases = {
        DnsAnswer(DnsStatus.OK, ("192.0.2.1",), 0.0): 5.0,
        DnsAnswer(DnsStatus.OK, ("192.0.2.1",), 1e9): 100.0,
        DnsAnswer(DnsStatus.NXDOMAIN, (), 1e9): 50.0,
        DnsAnswer(DnsStatus.NODATA, (), 0.0): 5.0,
        FAILED: 3.0,
    }
    for answer, seconds in cases.items():
        async with bench(answer, limits) as b:
            (got,) = await b.ask("a.example.org")
            assert (got.status, got.ttl) == (answer.status, seconds)
            b.clock.advance(seconds - 0.5)
            await b.ask("a.example.org")
            assert len(b.upstream.asked) == 1
            b.clock.advance(0.5)
            await b.ask("a.example.org")
            assert len(b.upstream.asked) == 2


async def test_many_who_want_the_same_ask_once() -> None:
    async with bench() as b:
        b.upstream.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(b.ask("a.example.org", "a.example.org")) for _ in range(9)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            b.upstream.gate.set()
        assert b.upstream.asked == ["a.example.org"]
        assert {answer.records for task in asked for answer in task.result()} == {FOUND.records}
        assert b.metric("questions_total", source="shared") == 8.0


async def test_whoever_gives_up_does_not_end_the_question_of_others() -> None:
    async with bench() as b:
        b.upstream.gate = asyncio.Event()
        (late,) = await b.ask("a.example.org", seconds=0.01)
        assert (late.status, late.detail) == (DnsStatus.TEMPERROR, "no answer in time")
        assert b.metric("late_answers_total") == 1.0
        b.upstream.gate.set()
        (answer,) = await b.ask("a.example.org")
        assert answer.records == FOUND.records
        assert b.upstream.asked == ["a.example.org"]


async def test_whoever_is_cancelled_does_not_either() -> None:
    async with bench() as b:
        b.upstream.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(b.ask("a.example.org"))
            await asyncio.sleep(0.01)
            gone.cancel()
        b.upstream.gate.set()
        assert (await b.ask("a.example.org"))[0].records == FOUND.records
        assert b.upstream.asked == ["a.example.org"]


async def test_a_crash_is_an_answer_and_counted() -> None:
    async with bench(RuntimeError("no")) as b:
        (answer,) = await b.ask("a.example.org")
        assert (answer.status, answer.detail) == (DnsStatus.TEMPERROR, "RuntimeError")
        assert b.metric("crashes_total") == 1.0


async def test_a_zone_that_fails_is_left_alone_and_tried_again() -> None:
    limits = Limits(failure_ttl=0.0, breaker_failures=3, breaker_seconds=10.0)
    async with bench(FAILED, limits) as b:
        for number in range(5):
            await b.ask(f"{number}.bl.example.org")
        assert len(b.upstream.asked) == 3
        assert b.metric("questions_total", source="breaker") == 2.0
        assert b.metric("muted_zones") == 1.0
        (muted,) = await b.ask("9.bl.example.org")
        assert "bl.example.org" in muted.detail
        assert (await b.ask("1.other.example.org"))[0].status is DnsStatus.TEMPERROR
        assert len(b.upstream.asked) == 4, "another zone is still asked"

        b.clock.advance(10.0)
        b.upstream.answer = FOUND
        assert (await b.ask("6.bl.example.org"))[0].status is DnsStatus.OK
        assert (await b.ask("7.bl.example.org"))[0].status is DnsStatus.OK
        assert b.metric("muted_zones") == 0.0


async def test_no_more_than_so_many_at_once_nor_waiting() -> None:
    async with bench(limits=Limits(at_once=2, waiting=5)) as b:
        b.upstream.gate = asyncio.Event()
        names = [f"h{n}.z{n}.example.org" for n in range(8)]
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(b.ask(*names))
            await asyncio.sleep(0.01)
            assert b.upstream.at_once == 2
            b.upstream.gate.set()
        statuses = [answer.status for answer in asked.result()]
        assert statuses == [DnsStatus.OK] * 5 + [DnsStatus.TEMPERROR] * 3
        assert b.upstream.most_at_once == 2
        assert b.metric("questions_total", source="limit") == 3.0


async def test_the_end_drops_what_is_under_way() -> None:
    async with bench() as b:
        b.upstream.gate = asyncio.Event()
        await b.ask("a.example.org", seconds=0.0)
    assert b.upstream.asked in ([], ["a.example.org"])


async def test_the_cache_is_bounded_and_drops_what_is_unused_longest() -> None:
    async with bench(limits=Limits(cache_entries=2)) as b:
        for name in ("a.z", "b.z", "a.z", "c.z", "a.z", "b.z"):
            await b.ask(name)
        assert b.upstream.asked == ["a.z", "b.z", "c.z", "b.z"]
        assert b.metric("cached_answers") == 2.0


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 100), st.floats(0, 50)), max_size=60))
def test_a_cache_never_gives_what_is_over(steps: list[tuple[int, float, float]]) -> None:
    cache, now, truth = AnswerCache(8), 0.0, dict[DnsQuestion, float]()
    for number, ttl, pause in steps:
        now += pause
        asked = question(f"{number}.example")
        got = cache.get(asked, now)
        if got is not None:
            assert 0 < got.ttl == truth[asked] - now
        cache.put(asked, DnsAnswer(DnsStatus.OK, ("x",), ttl), now)
        if ttl > 0:
            truth[asked] = now + ttl
        assert len(cache) <= 8


def breakers() -> Breakers:
    return Breakers(failures=2, open_seconds=10.0, longest_seconds=40.0, entries=3)


def test_a_breaker_opens_for_longer_each_time() -> None:
    b, now = breakers(), 0.0
    for _ in range(2):
        assert b.admits("z", now)
        b.note("z", now, failed=True)
    for seconds in (10.0, 20.0, 40.0, 40.0):
        assert not b.admits("z", now + seconds - 0.1)
        now += seconds
        assert b.admits("z", now), "one is let through"
        assert not b.admits("z", now), "and only one"
        b.note("z", now, failed=True)


def test_a_breaker_closes_when_the_one_succeeds() -> None:
    b = breakers()
    for _ in range(2):
        b.note("z", 0.0, failed=True)
    assert b.open_count(1.0) == 1
    assert b.admits("z", 10.0)
    b.note("z", 10.0, failed=False)
    assert b.open_count(10.0) == 0
    b.note("z", 10.0, failed=True)
    assert b.admits("z", 10.0), "it begins to count anew"


def test_late_failures_do_not_prolong_an_open_breaker() -> None:
    b = breakers()
    for _ in range(9):
        b.note("z", 0.0, failed=True)
    assert b.admits("z", 10.0)


def test_breakers_are_bounded() -> None:
    b = breakers()
    for number in range(10):
        for _ in range(2):
            b.note(f"z{number}", 0.0, failed=True)
    assert b.open_count(1.0) == 3


def test_zones_where_nothing_is_known() -> None:
    assert last_labels("4.3.2.1.bl.example.org") == "bl.example.org"
    assert last_labels("example.org") == "example.org"
    assert last_labels("a.example.co.uk") == "example.co.uk"


async def test_what_is_known_is_there_at_once_unless_it_must_be_fresh() -> None:
    async with bench() as b:
        await b.ask("a.example.org")
        kept = b.resolver.begin(question("a.example.org"))
        assert isinstance(kept, DnsAnswer)
        flight = b.resolver.begin(question("a.example.org"), fresh=True)
        assert isinstance(flight, asyncio.Task)
        assert (await flight).records == FOUND.records
        assert b.upstream.asked == ["a.example.org"] * 2


async def test_a_zone_that_hangs_leaves_the_places_to_others() -> None:
    async with bench(limits=Limits(zone_waiting=2)) as b:
        b.upstream.gate = asyncio.Event()
        names = [f"n{n}.bl.hangs.example" for n in range(3)]
        answers = await b.ask(*names, "www.example.org", seconds=0.01)
        assert b.metric("questions_total", source="limit") == 1.0
        assert "its zone" in answers[2].detail
        assert b.upstream.asked == ["n0.bl.hangs.example", "n1.bl.hangs.example", "www.example.org"]
        b.upstream.gate.set()
        (answer,) = await b.ask(names[0])
        assert answer.records == FOUND.records
        assert (await b.ask("n9.bl.hangs.example"))[0].records == FOUND.records


def test_reverse_zones_are_those_of_one_owner() -> None:
    assert last_labels("1.2.0.192.in-addr.arpa") == "2.0.192.in-addr.arpa"
    nibbles = ".".join("0123456789abcdef0123456789abcdef")
    assert last_labels(f"{nibbles}.ip6.arpa").count(".") == 13
