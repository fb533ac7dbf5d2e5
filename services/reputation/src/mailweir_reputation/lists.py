"""Asks all lists at once about a client or sender, and stops waiting when the answer cannot change."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsStatus
from mailweir_core.outcome import Advice, Lookup
from mailweir_policy import Policy
from mailweir_policy.answers import ListAnswer, ListStatus, read_answer
from mailweir_policy.reputation import EdgeZone, ReputationPolicy
from mailweir_reputation.health import Keeper
from mailweir_reputation.list_metrics import ListMetrics
from mailweir_reputation.policy.findings import NOTHING, Finding
from mailweir_reputation.policy.items import Item
from mailweir_reputation.policy.lists.conclusion import REFUSING, conclude, unanswered
from mailweir_reputation.policy.lists.health import Watch
from mailweir_reputation.policy.lists.opinion import Listing, Standing, listings_of, weigh
from mailweir_reputation.policy.lists.planning import Query, fitting, plan
from mailweir_runtime.dns import Resolver

CONFIRM_SHARE: Final = 0.75
"""Part of the time that is left which a listing may take to be confirmed."""

Flight = asyncio.Future[DnsAnswer]


@dataclass(slots=True)
class Round:
    """The questions about one item: what is waited for, and what is known."""

    begun: float
    count: int = 0
    silent: bool = False
    """There are lists for it, and none of them may be asked now."""
    waiting: dict[Flight, Query] = field(default_factory=dict)
    listings: list[Listing] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    failed: list[EdgeZone] = field(default_factory=list)
    ttls: list[float] = field(default_factory=list)

    @property
    def outstanding(self) -> list[EdgeZone]:
        """Return the lists that may still say something, or would have if they had answered."""
        return [*(query.zone for query in self.waiting.values()), *self.failed]


class Lists:
    """The part that asks DNS lists."""

    def __init__(
        self, resolver: Resolver, keeper: Keeper, clock: Clock, metrics: ListMetrics
    ) -> None:
        """Ask `resolver` what `keeper` lets be asked."""
        self._resolver = resolver
        self._keeper = keeper
        self._clock = clock
        self._metrics = metrics

    def begin(self, item: Item, rules: ReputationPolicy, most: int) -> Round:
        """Ask what there is to ask, with at most `most` questions."""
        going = Round(self._clock.monotonic())
        queries = plan(item, rules.zones, self._asked, most)
        going.count = len(queries)
        going.silent = not queries and most > 0 and any(fitting(item, rules.zones))
        for query in queries:
            question = self._keeper.question(query.zone, query.subject.name)
            found = self._resolver.begin(question)
            if isinstance(found, DnsAnswer):
                self._take(going, query, found)
            else:
                going.waiting[found] = query
        return going

    async def finish(self, going: Round, policy: Policy, until: float) -> Finding:
        """Return what the lists come to; what has not answered by `until` has found nothing."""
        if not going.count:
            return unanswered() if going.silent else NOTHING
        rules = policy.reputation
        await self._wait(going, rules, until)
        if going.failed and not going.ttls:
            return unanswered(going.lookups)
        firm = policy.edge.listed in REFUSING and await self._firm(going, rules, until)
        found = conclude(
            going.listings,
            policy,
            firm=firm,
            lookups=tuple(going.lookups),
            failed=going.failed,
            seconds=min(going.ttls, default=0.0),
        )
        if found.advice is Advice.DEFER:
            self._metrics.put_off.inc()
        return found

    def _asked(self, zone: EdgeZone) -> bool:
        watch = self._keeper.watch(zone)
        return watch is not None and watch.asked

    async def _wait(self, going: Round, rules: ReputationPolicy, until: float) -> None:
        """Wait for answers, each at most as long as its list may take, while they could change anything."""
        while going.waiting:
            if weigh(going.listings, going.outstanding, rules) in _SETTLED:
                self._metrics.cut_short.inc()
                return
            now = self._clock.monotonic()
            ends = {
                flight: min(until, going.begun + query.zone.timeout_seconds)
                for flight, query in going.waiting.items()
            }
            for flight in [flight for flight, end in ends.items() if end <= now]:
                self._take(going, going.waiting.pop(flight), _landed(flight))
            if going.waiting:
                left = min(end for end in ends.values() if end > now) - now
                done, _ = await asyncio.wait(
                    going.waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                for flight in done:
                    self._take(going, going.waiting.pop(flight), _landed(flight))

    def _take(self, going: Round, query: Query, answer: DnsAnswer) -> None:
        """Take in one answer. What the resolver says of a failure is left out: it may name the zone."""
        zone, subject = query.zone, query.subject
        read = read_answer(zone, answer)
        watch = self._keeper.watch(zone)
        if watch is not None:
            self._keeper.note(watch, subject.name, read)
        seconds = self._clock.monotonic() - going.begun
        going.lookups.append(Lookup("list", f"{zone.title}: {subject.shown}", _said(read), seconds))
        if read.status is ListStatus.FAILED:
            going.failed.append(zone)
        else:
            going.ttls.append(answer.ttl)
        if read.status is ListStatus.LISTED:
            going.listings += listings_of(zone, subject.shown, read.codes, subject.name)

    async def _firm(self, going: Round, rules: ReputationPolicy, until: float) -> bool:
        """Say whether lists that are proved to be well are enough to refuse, having them proved if need be.

        Listings of a list that is found out meanwhile are dropped.
        """
        if weigh(going.listings, (), rules) is not Standing.REFUSED:
            return False
        outstanding = going.outstanding
        if weigh(self._confirmed(going), outstanding, rules) is Standing.REFUSED:
            return True
        now = self._clock.monotonic()
        end = now + (until - now) * CONFIRM_SHARE
        async with asyncio.TaskGroup() as tasks:
            for listing in going.listings:
                watch = self._keeper.watch(listing.zone)
                if listing.score > 0 and watch is not None:
                    tasks.create_task(self._keeper.confirm(watch, listing.item, end))
        going.listings = [each for each in going.listings if self._asked(each.zone)]
        return weigh(self._confirmed(going), outstanding, rules) is Standing.REFUSED

    def _confirmed(self, going: Round) -> list[Listing]:
        """Return the listings that count without doubt; a good word is never doubted."""
        return [
            each
            for each in going.listings
            if each.score <= 0 or _confirms(self._keeper.watch(each.zone), each.item)
        ]


_SETTLED: Final = (Standing.REFUSED, Standing.SPARED)


def _confirms(watch: Watch | None, item: str) -> bool:
    return watch is not None and watch.confirmed(item)


def _landed(flight: Flight) -> DnsAnswer:
    if not flight.done() or flight.cancelled():
        return DnsAnswer(DnsStatus.TEMPERROR)
    return flight.result()


def _said(read: ListAnswer) -> str:
    return " ".join((read.status, *read.codes)) if read.codes else str(read.status)
