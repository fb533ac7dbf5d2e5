"""Sets bans, lets them grow to the network around, and lifts them with all that is remembered of them."""

from collections.abc import Callable, Sequence
from typing import Final

from mailweir_core.bans import ACCOUNT, Ban, OffenceKind, ban_key
from mailweir_core.clock import Clock
from mailweir_core.net import Network, parse_network
from mailweir_policy.ratelimit import IntrusionPolicy
from mailweir_ratelimit.book import BanBook
from mailweir_ratelimit.intrusion_metrics import IntrusionMetrics
from mailweir_ratelimit.policy.banning import Step, steps, widened
from mailweir_ratelimit.policy.protected import Protected
from mailweir_ratelimit.policy.strikes import (
    Strikes,
    dump_members,
    dump_strikes,
    enter,
    load_members,
    load_strikes,
    next_strike,
)
from mailweir_ratelimit.ports import CellsAway, Change
from mailweir_ratelimit.ports_bans import Stores
from mailweir_runtime.bus.ports import BusError
from mailweir_runtime.logs import get_logger

TRIES: Final = 5
"""How often somebody else may be faster at storing a ban of the same subject."""
OFFENCES: Final = "offences"
BANNED_WITHIN: Final = "within"
STRIKES: Final = "strikes"

_log = get_logger(__name__)


def offences_key(kind: OffenceKind, subject: str) -> str:
    """Return the key of what is counted against a subject."""
    return f"{OFFENCES}.{kind}.{ban_key(subject)}"


def within_key(network: Network) -> str:
    """Return the key of the bans within a network."""
    return f"{BANNED_WITHIN}.{ban_key(str(network))}"


def strikes_key(subject: str) -> str:
    """Return the key of how many bans of a subject came in a row."""
    return f"{STRIKES}.{ban_key(subject)}"


class Bailiff:
    """Whoever asks, a subject is banned once: who comes second finds the ban of the first."""

    def __init__(
        self, stores: Stores, book: BanBook, clock: Clock, metrics: IntrusionMetrics
    ) -> None:
        """Keep `book` up to date with what is done here, ahead of what the store will tell."""
        self._stores = stores
        self._book = book
        self._clock = clock
        self._metrics = metrics

    async def impose(
        self, subject: str, make: Callable[[int], Ban], policy: IntrusionPolicy
    ) -> Ban | None:
        """Ban a subject that is not banned; returns the ban in force, None where that was not to be had.

        `make` gets the number in a row. Raises BusError, CellsAway where nothing was stored.
        """
        bans, key, now = self._stores.bans, strikes_key(subject), self._clock.now()
        for _ in range(TRIES):
            found = await bans.get(subject)
            if found is not None and found.ban.holds(now):
                self._book.put(found.ban)
                return found.ban
            past = load_strikes((await self._stores.strikes.read([key]))[0])
            ban = make(next_strike(past, policy.strike_seconds, now))
            if await bans.claim(ban, found, now):
                self._note(ban)
                await self._strike(ban, policy)
                return ban
        self._metrics.failures.labels("ban").inc()
        return None

    async def put(self, ban: Ban) -> None:
        """Ban a subject whatever there is, by hand; raises BusError."""
        await self._stores.bans.put(ban, self._clock.now())
        self._note(ban)

    def _note(self, ban: Ban) -> None:
        self._book.put(ban)
        self._metrics.bans.labels(ban.kind).inc()
        _log.info(
            "ban_set", subject=ban.subject, kind=ban.kind, evidence=ban.evidence, until=ban.until,
            strikes=ban.strikes, close_all=ban.close_all, by=ban.by,
        )  # fmt: skip

    async def _strike(self, ban: Ban, policy: IntrusionPolicy) -> None:
        if ban.account:
            return  # a pause is no ban in a row
        value = dump_strikes(Strikes(ban.strikes, ban.until))
        lives = ban.until - ban.since + policy.strike_seconds
        change = Change(None, value, lives)
        try:
            await self._stores.strikes.change(strikes_key(ban.subject), lambda _: change)
        except CellsAway:
            self._metrics.failures.labels("strike").inc()

    async def widen(self, ban: Ban, policy: IntrusionPolicy, protected: Protected) -> Ban | None:
        """Ban the widest network around a new ban that has enough of them; None where there is none.

        Where the stores are away it stays with the ban that there is.
        """
        if not policy.widen_after or ban.account:
            return None
        widest: Ban | None = None
        try:
            for step in steps(parse_network(ban.subject)):
                members = await self._enter(step, ban, policy)
                if not members:
                    continue
                if protected.overlapping(step.parent) is not None:
                    self._metrics.unwidened.inc()
                    break  # what is wider holds the same protected network
                widest = await self._grow(step, members, ban, policy) or widest
        except (BusError, CellsAway):
            self._metrics.failures.labels("widen").inc()
        return widest

    async def _enter(self, step: Step, ban: Ban, policy: IntrusionPolicy) -> Sequence[str]:
        """Count a ban within a wider network; returns the members where they are enough, and forgets them."""
        now = self._clock.now()

        def change(value: bytes | None) -> Change[Sequence[str]]:
            members = enter(load_members(value), str(step.member), ban.until, now)
            enough = len(members) >= policy.widen_after
            lives = max(members.values()) - now if not enough else 1.0
            kept = {} if enough else members
            return Change(tuple(members) if enough else (), dump_members(kept), max(lives, 1.0))

        return await self._stores.counts.change(within_key(step.parent), change)

    async def _grow(
        self, step: Step, members: Sequence[str], ban: Ban, policy: IntrusionPolicy
    ) -> Ban | None:
        def make(strikes: int) -> Ban:
            return widened(step, members, ban, policy, strikes)

        made = await self.impose(str(step.parent), make, policy)
        if made is not None:
            self._metrics.widened.inc()
        return made

    async def lift(self, subject: str, *, by: str, cause: str) -> bool:
        """Lift a ban and forget what led to it; says whether there was one. Raises BusError, CellsAway.

        Counts go first: an offence between the two must not find them full.
        """
        await self._forget(subject)
        removed = await self._stores.bans.remove(subject)
        ban = self._book.remove(ban_key(subject))
        if removed:
            self._metrics.lifted.labels(cause).inc()
            _log.info(
                "ban_lifted", subject=subject, by=by, cause=cause,
                kind="" if ban is None else ban.kind, evidence="" if ban is None else ban.evidence,
            )  # fmt: skip
        return removed

    async def _forget(self, subject: str) -> None:
        counts, strikes = self._stores.counts, self._stores.strikes
        keys = [offences_key(kind, subject) for kind in OffenceKind]
        if not subject.startswith(ACCOUNT):
            network = parse_network(subject)
            keys.append(within_key(network))
            for step in steps(network):
                await self._leave(step, subject)
        for key, value in zip(keys, await counts.read(keys), strict=True):
            if value is not None:  # few are
                await counts.remove(key)
        await strikes.remove(strikes_key(subject))

    async def _leave(self, step: Step, subject: str) -> None:
        """Count a ban no more within the network around, if it is what was counted."""
        if str(step.member) != subject:
            return
        now = self._clock.now()

        def change(value: bytes | None) -> Change[None]:
            members = load_members(value)
            if subject not in members:
                return Change(None)
            del members[subject]
            lives = max((*members.values(), now + 1.0)) - now
            return Change(None, dump_members(members), max(lives, 1.0))

        await self._stores.counts.change(within_key(step.parent), change, sure=True)
