"""A resolver over name servers: cache, one flight per question, breakers, a bound on what is under way."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar

from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus
from mailweir_runtime.dns.breaker import Breakers, last_labels
from mailweir_runtime.dns.cache import AnswerCache
from mailweir_runtime.dns.metrics import DnsMetrics, Source
from mailweir_runtime.dns.nameservers import NO_TIME
from mailweir_runtime.dns.ports import Upstream
from mailweir_runtime.logs import get_logger

_log = get_logger(__name__)
Found = TypeVar("Found", DnsAnswer, asyncio.Task[DnsAnswer])


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a resolver; times in seconds."""

    cache_entries: int = 50_000
    shortest_ttl: float = 5.0
    longest_ttl: float = 3600.0
    longest_negative: float = 900.0
    failure_ttl: float = 3.0
    """A question that failed is not asked again before this (RFC 2308 §7)."""
    question_seconds: float = 5.0
    """Longest time for one question. It goes on when whoever asked gives up sooner: the next one has it."""
    at_once: int = 256
    """Questions with the name servers at a time."""
    waiting: int = 4096
    """Questions under way or waiting for a place; more fail at once."""
    zone_waiting: int = 256
    """The same for one zone, so that one that hangs leaves the places to the others."""
    breaker_failures: int = 8
    breaker_seconds: float = 5.0
    breaker_longest: float = 300.0
    breaker_entries: int = 4096


class CachingResolver:
    """Implements `Resolver`; an async context manager, at whose end questions under way are dropped."""

    def __init__(
        self,
        upstream: Upstream,
        clock: Clock,
        metrics: DnsMetrics,
        limits: Limits | None = None,
        zone_of: Callable[[str], str] = last_labels,
    ) -> None:
        """Ask `upstream`; names for which `zone_of` gives the same share a breaker."""
        self._upstream = upstream
        self._clock = clock
        self._metrics = metrics
        self._sources = {source: metrics.questions.labels(source) for source in Source}
        self._limits = limits = limits or Limits()
        self._zone_of = zone_of
        self._cache = AnswerCache(limits.cache_entries)
        self._flights: dict[DnsQuestion, asyncio.Task[DnsAnswer]] = {}
        self._waiting = Counter[str]()
        self._places = asyncio.Semaphore(limits.at_once)
        self._tasks = asyncio.TaskGroup()
        self._breakers = Breakers(
            failures=limits.breaker_failures,
            open_seconds=limits.breaker_seconds,
            longest_seconds=limits.breaker_longest,
            entries=limits.breaker_entries,
        )

    async def __aenter__(self) -> Self:
        """Begin to take questions."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop what is under way."""
        for flight in self._flights.values():
            flight.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def resolve(
        self, questions: tuple[DnsQuestion, ...], seconds: float, /
    ) -> tuple[DnsAnswer, ...]:
        """Return an answer to each question, in order; equal ones are asked once."""
        found = {question: self.begin(question) for question in dict.fromkeys(questions)}
        flights = [flight for flight in found.values() if isinstance(flight, asyncio.Task)]
        if flights:
            await asyncio.wait(flights, timeout=max(0.0, seconds))
        return tuple(self._landed(found[question]) for question in questions)

    def _landed(self, found: DnsAnswer | asyncio.Task[DnsAnswer]) -> DnsAnswer:
        if isinstance(found, DnsAnswer):
            return found
        if found.done() and not found.cancelled():
            return found.result()
        self._metrics.late.inc()
        return DnsAnswer(DnsStatus.TEMPERROR, detail=NO_TIME)

    def begin(
        self, question: DnsQuestion, *, fresh: bool = False
    ) -> DnsAnswer | asyncio.Task[DnsAnswer]:
        """Return the answer if it is there and need not be `fresh`, or the flight that will bring it."""
        now = self._clock.monotonic()
        kept = None if fresh else self._cache.get(question, now)
        if kept is not None:
            return self._from(Source.CACHE, kept)
        flight = self._flights.get(question)
        if flight is not None:
            return self._from(Source.SHARED, flight)
        if len(self._flights) >= self._limits.waiting:
            return self._from(Source.LIMIT, _failed("too many questions are under way"))
        zone = self._zone_of(question.name)
        if self._waiting[zone] >= self._limits.zone_waiting:
            return self._from(Source.LIMIT, _failed("too many questions to its zone are under way"))
        if not self._breakers.admits(zone, now):
            return self._from(Source.BREAKER, _failed(f"{zone} is left alone for a while"))
        flight = self._tasks.create_task(self._fly(question, zone))
        self._flights[question] = flight
        self._waiting[zone] += 1
        return self._from(Source.SERVER, flight)

    def _from(self, source: Source, found: Found) -> Found:
        self._sources[source].inc()
        return found

    async def _fly(self, question: DnsQuestion, zone: str) -> DnsAnswer:
        begun = self._clock.monotonic()
        try:
            async with self._places:
                answer = self._bounded(await self._ask(question))
            now = self._clock.monotonic()
            self._cache.put(question, answer, now)
            self._breakers.note(zone, now, failed=answer.status is DnsStatus.TEMPERROR)
            self._count(answer, now - begun)
            return answer
        finally:
            del self._flights[question]
            self._waiting[zone] -= 1
            if not self._waiting[zone]:
                del self._waiting[zone]

    async def _ask(self, question: DnsQuestion) -> DnsAnswer:
        try:
            return await self._upstream.ask(question, self._limits.question_seconds)
        except Exception as error:  # noqa: BLE001 - an answer must not stop the process; named and counted
            self._metrics.crashed.inc()
            _log.exception("dns_question_crashed", type=question.type)
            return _failed(f"{type(error).__name__}")

    def _bounded(self, answer: DnsAnswer) -> DnsAnswer:
        """Bring the TTL between the limits, whatever the zone says."""
        limits = self._limits
        if answer.status is DnsStatus.TEMPERROR:
            return replace(answer, ttl=limits.failure_ttl)
        longest = limits.longest_ttl if answer.status is DnsStatus.OK else limits.longest_negative
        return replace(answer, ttl=min(max(answer.ttl, limits.shortest_ttl), longest))

    def _count(self, answer: DnsAnswer, seconds: float) -> None:
        self._metrics.answers.labels(answer.status).inc()
        self._metrics.seconds.observe(seconds)
        self._metrics.cached.set(len(self._cache))
        self._metrics.open_breakers.set(self._breakers.open_count(self._clock.monotonic()))


def _failed(detail: str) -> DnsAnswer:
    return DnsAnswer(DnsStatus.TEMPERROR, detail=detail)
