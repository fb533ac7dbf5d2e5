"""Keeps every list of the policy under watch: probes those that are due, and whoever must be sure now."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsQuestion, RecordType
from mailweir_policy import Policy
from mailweir_policy.answers import ListAnswer, ListStatus, read_answer
from mailweir_policy.reputation import EdgeZone
from mailweir_reputation.list_metrics import ListMetrics
from mailweir_reputation.policy.lists.canaries import LISTED, UNLISTED, family_of, stranger_of
from mailweir_reputation.policy.lists.health import Change, Probe, Watch, ZoneState
from mailweir_runtime.dns import Resolver
from mailweir_runtime.logs import get_logger

IDLE_SECONDS: Final = 60.0
_log = get_logger(__name__)


class Keeper:
    """The watches of all lists; an async context manager, within which they are probed."""

    def __init__(
        self,
        resolver: Resolver,
        keys: Mapping[str, str],
        clock: Clock,
        metrics: ListMetrics,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Take the keys by the names of their secrets; `random_bytes` makes up names nobody asked for."""
        self._resolver = resolver
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._random = random_bytes
        self._watches: dict[str, Watch] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to probe."""
        await self._tasks.__aenter__()
        self._running = self._tasks.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop probing."""
        for task in (*self._probes.values(), *filter(None, (self._running,))):
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    def follow(self, policy: Policy) -> None:
        """Watch the lists of a policy; one that has not changed keeps its past."""
        health = policy.reputation.health
        old, self._watches = self._watches, {}
        for zone in policy.reputation.zones:
            known = old.get(zone.name)
            if known is None or (known.zone, known.policy) != (zone, health):
                known = Watch(zone, health, usable=self._usable(zone))
                known.due_at = self._clock.monotonic()
            self._watches[zone.name] = known
        self._metrics.follow(self._watches)
        for name, watch in self._watches.items():
            self._metrics.in_state(name, watch.state)
        self._wake.set()

    def watch(self, zone: EdgeZone) -> Watch | None:
        """Return the watch of a list; None while the policy that has it is not followed yet."""
        watch = self._watches.get(zone.name)
        return watch if watch is not None and (watch.zone is zone or watch.zone == zone) else None

    def __iter__(self) -> Iterator[Watch]:
        """Yield the watches in the order of the policy."""
        return iter(self._watches.values())

    def question(self, zone: EdgeZone, item: str) -> DnsQuestion:
        """Return the question for an item in a list; its name may hold a key: for the resolver alone."""
        key = f"{self._keys[zone.key_secret]}." if zone.key_secret else ""
        return DnsQuestion(f"{item}.{key}{zone.zone}", RecordType.A)

    def _usable(self, zone: EdgeZone) -> bool:
        return not zone.key_secret or zone.key_secret in self._keys

    def note(self, watch: Watch, item: str, answer: ListAnswer) -> None:
        """Take in an answer about somebody."""
        self._metrics.answered(watch.zone.name, answer.status)
        before = watch.due_at
        self._changed(watch.note(item, answer, self._clock.monotonic()))
        if watch.due_at < before:
            self._wake.set()

    async def confirm(self, watch: Watch, item: str, until: float) -> None:
        """Have a list probed until its listing of an item is confirmed, it is found out, or time is up."""
        while watch.asked and not watch.confirmed(item) and not watch.odd:
            left = until - self._clock.monotonic()
            if left <= 0:
                return
            await asyncio.wait((self._probe(watch, light=True),), timeout=left)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            for watch in self._watches.values():
                if watch.state is not ZoneState.OFF and watch.due_at <= now:
                    self._probe(watch, light=False)
            waits = [
                watch.due_at - now
                for watch in self._watches.values()
                if watch.state is not ZoneState.OFF and watch.zone.name not in self._probes
            ]
            try:
                async with asyncio.timeout(max(0.0, min(waits, default=IDLE_SECONDS))):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _probe(self, watch: Watch, *, light: bool) -> asyncio.Task[None]:
        """Return the probe of a list that is under way, or begin one."""
        name = watch.zone.name
        running = self._probes.get(name)
        if running is None:
            light = light and watch.state is ZoneState.HEALTHY
            running = self._probes[name] = self._tasks.create_task(self._do(watch, light=light))
        return running

    async def _do(self, watch: Watch, *, light: bool) -> None:
        try:
            gap = watch.begun_at + watch.policy.confirm_seconds - self._clock.monotonic()
            if gap > 0:
                await asyncio.sleep(gap)
            watch.begun_at = begun = self._clock.monotonic()
            probe = await self._ask(watch, light=light)
            change = watch.probed(probe, begun, self._clock.monotonic())
            if self._watches.get(watch.zone.name) is watch:
                self._changed(change)
        finally:
            del self._probes[watch.zone.name]
            self._wake.set()

    async def _ask(self, watch: Watch, *, light: bool) -> Probe:
        """Ask for the test entries and a stranger side by side, none of them from our own cache."""
        zone, family = watch.zone, family_of(watch.zone)
        named = zone.test_entries and not light
        items = {"stranger": stranger_of(family, self._random(8))}
        if named and family in LISTED:
            items |= {"listed": LISTED[family], "unlisted": UNLISTED[family]}
        extra = () if light else watch.witnesses(self._clock.monotonic())
        begun = self._clock.monotonic()
        found = {
            key: self._resolver.begin(self.question(zone, item), fresh=True)
            for key, item in (*items.items(), *((item, item) for item in extra))
        }
        flights = [f for f in found.values() if not isinstance(f, DnsAnswer)]
        if flights:
            await asyncio.wait(flights, timeout=zone.timeout_seconds)
        watch.window.took(self._clock.monotonic() - begun)
        read = {key: _read(zone, answer) for key, answer in found.items()}
        return Probe(
            stranger=read["stranger"],
            listed=read.get("listed"),
            unlisted=read.get("unlisted"),
            witnesses=tuple(read[item] for item in extra),
            light=light,
        )

    def _changed(self, change: Change | None) -> None:
        if change is None:
            return
        name, title = change.zone.name, change.zone.title
        self._metrics.in_state(name, change.state)
        self._metrics.changes.labels(name, change.state).inc()
        match change.state:
            case ZoneState.MUTED:
                _log.warning("list_muted", list=title, seconds=change.seconds, remedy=change.remedy)
            case ZoneState.DEAD:
                _log.warning("list_dead", list=title, remedy=change.remedy)
            case _ if change.before is not ZoneState.PROBING:
                _log.info("list_serves_again", list=title)


def _read(zone: EdgeZone, found: DnsAnswer | asyncio.Future[DnsAnswer]) -> ListAnswer:
    """Return an answer as far as there is one; what a resolver says of a failure may name the zone."""
    if not isinstance(found, DnsAnswer):
        if not found.done() or found.cancelled():
            return ListAnswer(ListStatus.FAILED)
        found = found.result()
    read = read_answer(zone, found)
    return replace(read, detail="") if read.status is ListStatus.FAILED else read
