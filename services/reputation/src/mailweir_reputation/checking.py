"""Asks every part about a client or sender, side by side, and answers when nothing can change it any more."""

import asyncio
from dataclasses import dataclass, replace

from mailweir_core.client import ClientFacts
from mailweir_core.clock import Clock
from mailweir_core.net import parse_ip
from mailweir_core.outcome import Outcome, Status
from mailweir_policy import Policy
from mailweir_reputation.lists import Lists
from mailweir_reputation.metrics import Metrics
from mailweir_reputation.names import Names
from mailweir_reputation.policy.findings import (
    NOTHING,
    Finding,
    exempt,
    facts_after,
    merge,
    outcome_of,
)
from mailweir_reputation.policy.items import Item, Phase, Result, exemption
from mailweir_reputation.policy.names.findings import of_greeting
from mailweir_reputation.policy.names.greeting import Greeting
from mailweir_reputation.policy.purse import Purse, lists_share, share_of
from mailweir_reputation.ports import Acquaintance
from mailweir_reputation.racing import found_by, run_until


@dataclass(frozen=True, slots=True)
class Parts:
    """Who is asked; `lists` and `names` are None where look-ups are switched off."""

    acquaintance: Acquaintance
    lists: Lists | None = None
    names: Names | None = None


class Checker:
    """Checks items; never raises for what the outside does."""

    def __init__(self, parts: Parts, clock: Clock, metrics: Metrics) -> None:
        """Take the parts."""
        self._parts = parts
        self._clock = clock
        self._metrics = metrics

    async def check(self, item: Item, policy: Policy, until: float) -> Result:
        """Answer one item by the monotonic time `until`."""
        why = exemption(item.session, policy)
        if why:
            outcome = exempt(why)
            result = Result(outcome, item.client, recipients=(outcome,) * len(item.recipients))
        else:
            begun = self._clock.monotonic()
            result = await self._check(item, policy, until, begun)
            self._metrics.by_phase[item.phase].observe(self._clock.monotonic() - begun)
        self._metrics.count(item.phase, result.outcome)
        return result

    async def _check(self, item: Item, policy: Policy, until: float, begun: float) -> Result:
        match item.phase:
            case Phase.CONNECT:
                found = await self._client(item, policy, until)
            case Phase.MAIL:
                found = await self._sender(item, policy, until)
            case Phase.RCPT:
                return await self._recipients(item, policy, until, begun)
        outcome = self._outcome(found, begun)
        lost = outcome.status is Status.TEMPERROR  # so it is to be asked for again
        valid = 0.0 if lost else found.valid_seconds or 0.0
        return Result(outcome, facts_after(item.client, found), valid)

    async def _client(self, item: Item, policy: Policy, until: float) -> Finding:
        """Return what is known of a client: to us, by its names, and to the lists."""
        parts, now = self._parts, self._clock.now()
        acquaintance = parts.acquaintance
        if not self._looks_up(policy):
            return merge((await acquaintance.client(item.session, item.client, policy, now),))
        async with asyncio.TaskGroup() as tasks:
            listed, purse = self._ask_lists(tasks, item, policy, until)
            own = tasks.create_task(acquaintance.client(item.session, item.client, policy, now))
            named = tasks.create_task(self._named(item, policy, until, purse))

            def settled() -> bool:
                ours, theirs = found_by(own), found_by(listed)
                told = named.done() or not acquaintance.hosts_matter
                return own.done() and (_decides(ours) or (theirs.refuses and told))

            await run_until((listed, own, named), settled)
        ours, names = found_by(own), found_by(named)
        if names.host and acquaintance.hosts_matter and not _decides(ours):
            known = facts_after(item.client, names)
            ours = await acquaintance.client(item.session, known, policy, now)
        return merge((ours, names, found_by(listed)))

    async def _sender(self, item: Item, policy: Policy, until: float) -> Finding:
        """Return what is known of a sender: to us, where SPF proves it, by names, and to the lists."""
        if not self._looks_up(policy):
            now, ours = self._clock.now(), self._parts.acquaintance
            return merge((await ours.sender(item.session, item.sender, item.client, policy, now),))
        async with asyncio.TaskGroup() as tasks:
            listed, purse = self._ask_lists(tasks, item, policy, until)
            spf = tasks.create_task(self._spf(item, policy, until, purse))
            own = tasks.create_task(self._proved(item, policy, spf))
            greeted = _Greeted(self._names(policy))
            domain = tasks.create_task(greeted.find(item, policy, until, purse))

            def settled() -> bool:
                return own.done() and (_decides(found_by(own)) or found_by(listed).refuses)

            await run_until((listed, spf, own, domain), settled)
        known = facts_after(item.client, found_by(spf))
        parts = (own, domain, spf, listed)
        return merge((*map(found_by, parts), greeted.conclude(item, policy, known)))

    def _ask_lists(
        self, tasks: asyncio.TaskGroup, item: Item, policy: Policy, until: float
    ) -> tuple[asyncio.Task[Finding], Purse]:
        """Begin with the lists, and return what of the phase's questions they left to names."""
        rules, lists = policy.reputation, self._parts.lists
        share = share_of(item.phase, rules.queries)
        if lists is None or not rules.zones:
            return tasks.create_task(_nothing()), Purse(share)
        going = lists.begin(item, rules, lists_share(item.phase, rules.queries))
        return tasks.create_task(lists.finish(going, policy, until)), Purse(share - going.count)

    async def _named(self, item: Item, policy: Policy, until: float, purse: Purse) -> Finding:
        names = self._names(policy)
        return NOTHING if names is None else await names.client(item, policy, until, purse)

    async def _spf(self, item: Item, policy: Policy, until: float, purse: Purse) -> Finding:
        names = self._names(policy)
        return NOTHING if names is None else await names.spf(item, policy, until, purse)

    def _looks_up(self, policy: Policy) -> bool:
        """Say whether anything is asked for that is not our own, and so takes tasks that race."""
        listed = self._parts.lists is not None and bool(policy.reputation.zones)
        return listed or self._names(policy) is not None

    def _names(self, policy: Policy) -> Names | None:
        return self._parts.names if policy.reputation.queries else None

    async def _proved(self, item: Item, policy: Policy, spf: asyncio.Task[Finding]) -> Finding:
        """Return what we know of a sender once it is known whether the client may send for it."""
        known = facts_after(item.client, await spf)
        return await self._parts.acquaintance.sender(
            item.session, item.sender, known, policy, self._clock.now()
        )

    async def _recipients(self, item: Item, policy: Policy, until: float, begun: float) -> Result:
        """Return what is known of the recipients, once the sender is known that has to be proven for it."""
        sender, client = NOTHING, item.client
        if item.with_sender:
            as_at_mail = replace(item, phase=Phase.MAIL, recipients=())
            sender = await self._sender(as_at_mail, policy, until)
            client = facts_after(client, sender)
        found = await self._parts.acquaintance.recipients(
            item.session, item.sender, item.recipients, client, policy, self._clock.now()
        )
        outcomes = tuple(self._outcome(merge((one,)), begun) for one in found)
        failed = "; ".join(dict.fromkeys(one.failed for one in found if one.failed))
        own = self._outcome(merge((sender, Finding(failed=failed))), begun)
        return Result(own, client, recipients=outcomes)

    def _outcome(self, found: Finding, begun: float) -> Outcome:
        return outcome_of(found, self._clock.monotonic() - begun)

    def crashed(self) -> None:
        """Count a check that ended in an error of the program."""
        self._metrics.crashed.inc()


class _Greeted:
    """What a client greets with: looked up beside SPF, concluded once that is known too."""

    def __init__(self, names: Names | None) -> None:
        self._names = names
        self._greeting: Greeting | None = None

    async def find(self, item: Item, policy: Policy, until: float, purse: Purse) -> Finding:
        """Look it up, and return what the sender's domain says."""
        if self._names is None:
            return NOTHING
        self._greeting, found = await self._names.sender(item, policy, until, purse)
        return found

    def conclude(self, item: Item, policy: Policy, known: ClientFacts) -> Finding:
        """Return what the greeting says."""
        address = parse_ip(item.session.client_ip)
        if self._greeting is None or address is None:
            return NOTHING
        return of_greeting(self._greeting, address, known, policy)


def _decides(found: Finding) -> bool:
    return found.allowed or found.refuses


async def _nothing() -> Finding:
    return NOTHING
