"""The sessions of this process: how many, whose, which wait too long, and their orderly end."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from mailweir_core.clock import Clock
from mailweir_core.decision import Decision
from mailweir_core.net import Address, client_network
from mailweir_ingress.policy.phases import SHUTTING_DOWN
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.smtp.pulse import Pulse

SWEEP_SECONDS: Final = 0.5


class Member(Protocol):
    """A session as the registry sees it."""

    @property
    def pulse(self) -> Pulse:
        """Return since when it waits for its peer."""
        ...

    @property
    def in_data(self) -> bool:
        """Say whether it is between DATA and the reply to the message."""
        ...

    @property
    def client(self) -> Address | None:
        """Return the client's address."""
        ...

    @property
    def login(self) -> str:
        """Return whom it has logged in as, or nothing."""
        ...

    @property
    def allowed(self) -> bool:
        """Say whether an allow list vouches for the client."""
        ...

    def expire(self, decision: Decision) -> None:
        """Have it end at its next wait, with this reply."""
        ...

    def cut(self) -> None:
        """Break its connection off."""
        ...


class Sessions:
    """Every session of the process, on whatever port."""

    def __init__(self, rules: Callable[[], Rules], clock: Clock) -> None:
        """Take limits from `rules` each time, since the policy may change."""
        self._rules = rules
        self._clock = clock
        self._members: dict[Member, str] = {}
        self._by_client: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._members)

    def enter(self, member: Member) -> None:
        """Count a session that has begun."""
        self._members[member] = ""
        self._idle.clear()

    def count_client(self, member: Member, client: Address | None) -> int:
        """Note whose session it is; returns how many that client has."""
        if client is None:  # it has gone already
            return 1
        key = client_key(client)
        self._members[member] = key
        self._by_client[key] += 1
        return self._by_client[key]

    def leave(self, member: Member) -> None:
        """Forget a session that has ended."""
        key = self._members.pop(member)
        if key:
            self._by_client[key] -= 1
            if not self._by_client[key]:
                del self._by_client[key]
        if not self._members:
            self._idle.set()

    def hand_over(self, old: Member, new: Member) -> None:
        """Put a member in the place of another, whose client it has."""
        self._members[new] = self._members.pop(old)

    def end(self, whose: Callable[[Member], bool], decision: Decision) -> int:
        """End every session that `whose` says yes to; returns how many."""
        found = [member for member in self._members if whose(member)]
        for member in found:
            member.expire(decision)
        return len(found)

    def sweep(self) -> None:
        """End every session that has waited too long."""
        now, limits = self._clock.monotonic(), self._rules().policy.session
        for member in tuple(self._members):
            decision = member.pulse.overdue(now, limits)
            if decision is not None:
                member.expire(decision)

    async def sweep_forever(self) -> None:
        """Sweep every half second; runs until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    async def drain(self, seconds: float) -> int:
        """Send sessions away, let data that is on its way come to its end; returns how many are left.

        A session without data under way is told at once. Waits at most `seconds`.
        """
        self.draining = True
        for member in tuple(self._members):
            if not member.in_data:
                member.expire(SHUTTING_DOWN)
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return len(self._members)
        return 0

    def cut(self) -> None:
        """Break off every connection that is still open; what was kept stays kept."""
        for member in tuple(self._members):
            member.cut()


def client_key(address: Address) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    return str(address if address.version == 4 else client_network(address))
