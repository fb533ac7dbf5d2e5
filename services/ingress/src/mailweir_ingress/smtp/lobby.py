"""What all gates share: who waits, what was found of clients lately, and the way into a session."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from mailweir_core.bans import Ban
from mailweir_core.decision import Decision
from mailweir_core.ids import new_ulid
from mailweir_core.net import Address, parse_network
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.edge import Screened
from mailweir_ingress.policy.entry import BANNED_NOW, may_wait, on_ban, seconds_to_wait
from mailweir_ingress.policy.facts import ConnectFacts
from mailweir_ingress.policy.phases import on_connect
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.policy.shedding import is_stranger
from mailweir_ingress.ports import STRANGER
from mailweir_ingress.smtp.dialogue import serve
from mailweir_ingress.smtp.guest import Caller, Guest
from mailweir_ingress.smtp.house import Door, House
from mailweir_ingress.smtp.pulse import Pulse
from mailweir_ingress.smtp.sessions import Member
from mailweir_ingress.smtp.turned_away import TurnedAway
from mailweir_ingress.smtp.wire import Connection

MAX_REMEMBERED: Final = 16_384
"""Clients of whom it is remembered what was found; the one that came first goes first."""
KNOWN_SECONDS: Final = 86_400.0
"""How long a client that was known is spared where nobody can say whether it is so still."""
MAX_LEAVING: Final = 1000
"""Clients that may take their time to read why they were turned away; others are closed on at once."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a client is turned away that nobody has to be asked about."""

    caller: Caller
    decision: Decision
    outcomes: tuple[Outcome, ...] = ()
    ban: Ban | None = None

    @property
    def detail(self) -> str:
        """Return what the record says beside the decision."""
        return "" if self.ban is None else self.ban.evidence


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a client when it comes: why it has to go, or else what was found of it lately."""

    refusal: Refusal | None = None
    found: Screened | None = None


_UNKNOWN: Final = Sight()

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Lobby:
    """Shared by all gates of the process."""

    def __init__(self, house: House, spawn: Spawn) -> None:
        """Begin with nobody there; `spawn` runs what has to wait for other services."""
        self.house = house
        self.spawn = spawn
        self.turned_away = TurnedAway(house)
        self.gates: set[asyncio.Transport] = set()
        """Connections that have no session yet, or will have none."""
        self.waiting = 0
        self.leaving = 0
        self.pulse = Pulse()  # of those who have nothing to say yet: it never runs out
        self._version = ""
        self._found: OrderedDict[str, tuple[float, Screened]] = OrderedDict()
        self._known: OrderedDict[str, float] = OrderedDict()

    def at_first_sight(self, caller: Caller, rules: Rules) -> Sight:
        """Say what is known of a client without asking anybody."""
        if caller.own or caller.client in rules.trusted:
            return _UNKNOWN
        bans, now = self.house.bans, self.house.clock.now()
        found = self.remembered(caller, now)
        ban = bans.of(caller.client, now)
        if ban is not None and not (found is not None and found.client.allowed):
            return Sight(Refusal(caller, on_ban(ban), ban=ban))
        if found is None or found.decision is None:
            return Sight(found=found)
        if bans.allows(caller.client, now):
            return _UNKNOWN  # allowed since then: it is asked about anew
        return Sight(Refusal(caller, found.decision, found.outcomes))

    def refuse(self, refusal: Refusal) -> bytes:
        """Count a client that is turned away; returns what it is told."""
        if refusal.ban is not None:
            self.house.bans.hit(refusal.ban, self.house.clock.now())
        return self.turned_away.reply(
            refusal.caller, refusal.decision, refusal.outcomes, refusal.detail
        )

    def remember(self, caller: Caller, screened: Screened) -> None:
        """Remember what was found of a client for as long as it holds; what came of a rate does not."""
        self._forget_if_changed()
        if screened.valid_seconds <= 0:
            return
        if screened.decision is not None and screened.decision.reason is Reason.RATE_LIMITED:
            screened = replace(screened, decision=None)
        until = self.house.clock.now() + screened.valid_seconds
        self._found[caller.key] = (until, screened)
        if len(self._found) > MAX_REMEMBERED:
            self._found.popitem(last=False)

    def remembered(self, caller: Caller, now: float) -> Screened | None:
        """Return what was found of a client, while it holds; at the doors for our users it says nothing."""
        self._forget_if_changed()
        found = self._found.get(caller.key) if caller.listener is Listener.MX else None
        if found is None:
            return None
        until, screened = found
        if until <= now and not self._still_blocked(caller, screened, now):
            del self._found[caller.key]
            return None
        return screened

    def _still_blocked(self, caller: Caller, screened: Screened, now: float) -> bool:
        """Say whether a client was refused by a list of ours that has it still: nobody has to be asked."""
        decision = screened.decision
        if decision is None or decision.reason is not Reason.BLOCKED:
            return False
        return self.house.bans.blocks(caller.client, now)

    def _forget_if_changed(self) -> None:
        """Forget everything that was found once another policy holds: it may say otherwise."""
        version = self.house.rules().version
        if version != self._version:
            self._version = version
            self._found.clear()

    def admit(self, member: Member, caller: Caller, rules: Rules) -> Decision:
        """Count a client as a session, and say whether there is room for it."""
        sessions = self.house.sessions
        sessions.enter(member)
        facts = ConnectFacts(
            sessions=len(sessions),
            client_sessions=sessions.count_client(member, caller.client),
            memory_left=self.house.budget.room,
            draining=sessions.draining,
        )
        return on_connect(facts, rules)

    async def screen(self, guest: Guest, remembered: Screened | None) -> Screened:
        """Return what the edge says of a client."""
        caller, rules = guest.caller, guest.rules
        session = caller.session(guest.id, guest.at, trusted=caller.client in rules.trusted)
        return await self.house.edge.screen(session, rules, remembered)

    def is_asked_about(self, guest: Guest) -> bool:
        """Say whether the edge has anything to say of a client."""
        caller = guest.caller
        if not self.house.edge.deployed or caller.own:
            return False
        return caller.client not in guest.rules.trusted

    def seconds_to_wait(self, guest: Guest) -> float:
        """Return how long a client has to wait unless it has a pass."""
        caller = guest.caller
        if caller.own or caller.listener is not Listener.MX:
            return 0.0
        sessions = len(self.house.sessions)
        return seconds_to_wait(caller.client, guest.facts, guest.rules, sessions=sessions)

    async def has_pass(self, guest: Guest) -> bool:
        """Say whether a client has waited before, on whatever process."""
        client = guest.caller.client
        return client is not None and await self.house.passes.holds(client)

    def may_wait(self, rules: Rules) -> bool:
        """Say whether there is room for one more client that waits."""
        return may_wait(self.waiting, rules)

    def acquainted(self, caller: Caller, screened: Screened) -> None:
        """Note whether a client is known: while there is too much to do, nobody may be there to say so."""
        if any(outcome.status is Status.TEMPERROR for outcome in screened.outcomes):
            return
        self._known.pop(caller.key, None)
        if screened.client.known:
            self._known[caller.key] = self.house.clock.now() + KNOWN_SECONDS
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)

    def _was_known(self, caller: Caller) -> bool:
        return self._known.get(caller.key, 0.0) > self.house.clock.now()

    def sheds(self, guest: Guest) -> bool:
        """Say whether a client is to come again later, since there is too much to do and it is a stranger."""
        caller, house = guest.caller, self.house
        if caller.own or caller.listener is not Listener.MX:
            return False
        trusted = caller.client in guest.rules.trusted
        if not is_stranger(guest.facts, trusted=trusted) or self._was_known(caller):
            return False
        if house.bans.allows(caller.client, house.clock.now()):
            return False
        return not house.lets_in()

    def guest(self, caller: Caller, rules: Rules) -> Guest:
        """Give a client its reference, which it keeps."""
        now = self.house.clock.now()
        return Guest(caller, new_ulid(now), now, rules, STRANGER)

    def let_in(self, guest: Guest, door: Door, pipe: asyncio.Transport, seat: Member) -> Connection:
        """Begin the session of a client, on the connection that it has and in the seat that it holds."""
        loop = asyncio.get_running_loop()
        seconds = guest.rules.policy.session.session_seconds
        link = Connection(partial(serve, door=door, guest=guest, seat=seat), seconds, loop)
        pipe.set_protocol(link)
        link.connection_made(pipe)
        return link

    def enforce(self, ban: Ban) -> None:
        """End every session that a new ban is for, where it says so."""
        if ban.close_all:
            self.house.sessions.end(partial(self._falls_under, ban), BANNED_NOW)

    def _falls_under(self, ban: Ban, member: Member) -> bool:
        """Say whether a session is one of those; whom an allow list, trust or a login vouches for stays."""
        rules, client = self.house.rules(), member.client
        if ban.account:
            login, paused, place = ban.account.partition(" from ")
            return member.login == login and (not paused or _is_in(client, place))
        if member.login or member.allowed or not _is_in(client, ban.subject):
            return False
        if client in rules.trusted or client in rules.proxies:
            return False
        return self.house.bans.of(client, self.house.clock.now()) is not None

    def cut(self) -> None:
        """Break off every connection that has no session."""
        for pipe in tuple(self.gates):
            pipe.abort()


def _is_in(client: Address | None, network: str) -> bool:
    return client is not None and client in parse_network(network)
