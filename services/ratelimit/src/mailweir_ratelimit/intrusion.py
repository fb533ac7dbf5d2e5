"""Intrusion prevention: offences in, bans out; bans by hand, lifted, listed.

A store that is away makes no bans: an offence is then counted as failed and its session goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_core.bans import ACCOUNT, Ban, OffenceKind, ban_key, networks_in_force
from mailweir_core.clock import Clock
from mailweir_core.net import Network, parse_network
from mailweir_policy.ratelimit import IntrusionPolicy
from mailweir_ratelimit.bailiff import Bailiff, offences_key
from mailweir_ratelimit.book import BanBook
from mailweir_ratelimit.intrusion_metrics import SUBJECTS, IntrusionMetrics
from mailweir_ratelimit.policy.banning import is_full, make_ban
from mailweir_ratelimit.policy.intrusion import (
    Charge,
    Offence,
    Spared,
    login_charge,
    paused_from,
    weigh,
)
from mailweir_ratelimit.policy.manual import ban_subject, manual_ban, subjects_to_lift
from mailweir_ratelimit.policy.protected import Protected, protect
from mailweir_ratelimit.policy.tally import Tally, add, dump_tally, tally_of
from mailweir_ratelimit.ports import CellsAway, Change
from mailweir_ratelimit.ports_bans import Stores
from mailweir_runtime.bus.ports import BusError
from mailweir_runtime.config import HasPolicy, PolicySnapshot
from mailweir_runtime.logs import get_logger

REPORT_SECONDS: Final = 2.0
"""Longest that an offence waits for the stores."""
PAGE: Final = 100
LONGEST_PAGE: Final = 1000
BY: Final = "intrusion"
TIDY_SECONDS: Final = 5.0
"""How often it is looked whether somebody who is banned has come to be protected."""
SETTLE_SECONDS: Final = 60.0
"""For how long after a change: by then every process knows of it."""
TIDY_AT_ONCE: Final = 500

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BanPage:
    """Bans with how many connections each turned away, by subject; `next` is empty at the end."""

    bans: tuple[tuple[Ban, int], ...]
    next: str = ""


class Intrusion:
    """Counts offences over all sessions and processes, and bans."""

    def __init__(
        self, config: HasPolicy, stores: Stores, clock: Clock, metrics: IntrusionMetrics
    ) -> None:
        """Take the policy from `config` anew for each offence."""
        self.book = BanBook()
        self._config = config
        self.stores = stores
        self._clock = clock
        self._metrics = metrics
        self._bailiff = Bailiff(stores, self.book, clock, metrics)
        self._made_of: tuple[PolicySnapshot, tuple[Network, ...]] | None = None
        self._protected = protect(config.current.policy)
        self._tidied: tuple[Protected | None, float] = (None, 0.0)
        for subject in SUBJECTS:
            metrics.active.labels(subject).set_function(self._active(accounts=subject == "account"))

    def _active(self, *, accounts: bool) -> Callable[[], float]:
        return lambda: float(self.book.count(self._clock.now(), accounts=accounts))

    @property
    def protected(self) -> Protected:
        """Return who is not banned now."""
        sources = self._config.current, self.stores.allowed.current(self._clock.now())
        known = self._made_of
        if known is None or known[0] is not sources[0] or known[1] is not sources[1]:
            self._protected, self._made_of = protect(sources[0].policy, sources[1]), sources
        return self._protected

    async def load(self) -> None:
        """Take in the bans that there are; raises BusError."""
        for ban in await self.stores.bans.all():
            self.book.put(ban)

    async def follow(self) -> None:
        """Keep the copy of the bans up to date; runs until cancelled."""
        async for key, ban in self.stores.bans.changes():
            if ban is None:
                self.book.remove(key)
            else:
                self.book.put(ban)

    async def tidy_forever(self) -> None:
        """Lift what must not be banned any more, every few seconds; runs until cancelled."""
        await asyncio.sleep(TIDY_SECONDS)
        await self.reconcile()
        while True:
            await self.tidy()
            await asyncio.sleep(TIDY_SECONDS)

    async def reconcile(self) -> None:
        """Forget bans that went between `load` and the first that `follow` saw; later ones it sees."""
        before = self.book.copy()
        try:
            self.book.reconcile(before, await self.stores.bans.all())
        except BusError as error:  # at worst a list shows a ban that was lifted
            _log.warning("bans_not_reconciled", error=str(error)[:200])

    async def tidy(self) -> None:
        """Forget bans that have ended; lift those of a network that has come to be protected.

        For a while after somebody has: another process may not know yet, and ban.
        """
        now, protected = self._clock.now(), self.protected
        self.book.drop_ended(now)
        if protected is not self._tidied[0]:
            self._tidied = protected, now + SETTLE_SECONDS
        if now >= self._tidied[1]:
            return
        for number, ban in enumerate(self.book.in_force(now)):
            if number % TIDY_AT_ONCE == 0:
                await asyncio.sleep(0)  # offences and lists do not wait for thousands of bans
            if ban.by == BY and not ban.account:
                await self._lift_protected(ban, protected)

    async def _lift_protected(self, ban: Ban, protected: Protected) -> None:
        if protected.overlapping(parse_network(ban.subject)) is None:
            return
        try:
            await self._bailiff.lift(ban.subject, by="policy", cause="protected")
        except (BusError, CellsAway) as error:
            _log.warning("ban_not_lifted", subject=ban.subject, error=str(error)[:200])

    async def report(self, offences: Sequence[Offence]) -> Sequence[Ban | None]:
        """Take in offences side by side; returns the ban that each client falls under now, in order.

        Never raises.
        """
        if len(offences) == 1:  # the most frequent call, which needs no task
            return [await self._report(offences[0])]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._report(offence)) for offence in offences]
        return [task.result() for task in running]

    async def _report(self, offence: Offence) -> Ban | None:
        policy = self._config.current.policy.ratelimit.intrusion
        charge = weigh(offence, policy, self.protected)
        if isinstance(charge, Spared):
            self._metrics.spared.labels(charge).inc()
            return None
        present = self.book.of(charge.client, self._clock.now())
        if present is not None:
            return present
        self._metrics.offences.labels(charge.kind).inc(charge.count)
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                return await self._charge(charge, policy)
        except (BusError, CellsAway, TimeoutError) as error:
            self._metrics.failures.labels("count").inc()
            _log.warning("offence_not_counted", kind=charge.kind, error=str(error)[:200])
            return None

    async def _charge(self, charge: Charge, policy: IntrusionPolicy) -> Ban | None:
        ban = await self._count(charge, policy)
        if ban is not None:
            return await self._bailiff.widen(ban, policy, self.protected) or ban
        of_login = login_charge(charge, policy)
        if of_login is not None:
            await self._count(of_login, policy)  # a login is paused; its client is not banned
        return None

    async def _count(self, charge: Charge, policy: IntrusionPolicy) -> Ban | None:
        """Count a charge; where that fills its tally, the tally begins anew and the subject is banned."""
        now = self._clock.now()

        def step(value: bytes | None) -> Change[Tally]:
            tally = add(tally_of(value), charge.count, (charge.sample,), charge.window, now)
            kept = Tally() if is_full(tally, charge.window) else tally
            return Change(tally, dump_tally(kept), charge.window.seconds)

        if charge.window.count == 1:  # nothing to remember
            tally = step(None).result
        else:
            key = offences_key(charge.kind, charge.subject)
            tally = await self.stores.counts.change(key, step)
        if not is_full(tally, charge.window):
            return None

        def make(strikes: int) -> Ban:
            return make_ban(charge, tally, policy, strikes, now)

        return await self._bailiff.impose(charge.subject, make, policy)

    async def bans(self, text: str = "", limit: int = 0, cursor: str = "") -> BanPage:
        """Return a page of the bans in force, by subject, in which a text occurs; raises BusError."""
        size = min(limit or PAGE, LONGEST_PAGE)
        found = self.book.page(self._clock.now(), text, cursor, size + 1)
        hits = await self.stores.bans.hits() if found else {}
        page = tuple((ban, hits.get(ban_key(ban.subject), 0)) for ban in found[:size])
        return BanPage(page, found[size - 1].subject if len(found) > size else "")

    async def export(self) -> list[Network]:
        """Return the networks that are banned now, sorted and without overlaps, for the network layer.

        Who is never banned is left out: a firewall does not know that an allow beats a ban.
        """
        now, protected = self._clock.now(), self.protected
        return await asyncio.to_thread(_export, self.book.in_force(now), protected, now)

    async def ban(
        self, subject: str, seconds: float, evidence: str, actor: str, close_all: bool = True, *,
        kind: OffenceKind = OffenceKind.MANUAL,
    ) -> Ban:  # fmt: skip
        """Ban a network, an address or `account:<login>`, 0 seconds for ever; raises BanRefused, BusError."""
        name, now = ban_subject(subject, self.protected), self._clock.now()
        ban = manual_ban(name, seconds, evidence, actor, now, close_all=close_all, kind=kind)
        await self._bailiff.put(ban)
        return ban

    async def unban(self, subject: str, actor: str) -> bool:
        """Lift a ban and forget what led to it; says whether there was one.

        An address lifts its own ban; logins that are paused from there are let in again. Raises BanRefused
        for what names nothing, BusError, CellsAway.
        """
        names = subjects_to_lift(subject)
        paused = [] if names[0].startswith(ACCOUNT) else self._paused(names)
        lifted = [
            await self._bailiff.lift(name, by=actor, cause="hand") for name in (*names, *paused)
        ]
        return any(lifted[: len(names)])

    def _paused(self, networks: Sequence[str]) -> list[str]:
        ends = tuple(map(paused_from, networks))
        live = self.book.in_force(self._clock.now())
        return [ban.subject for ban in live if ban.account.endswith(ends)]


def _export(bans: Sequence[Ban], protected: Protected, now: float) -> list[Network]:
    banned = networks_in_force(bans, now)
    return [part for network in banned for part in protected.carve(network)]
