"""Ports in memory, for tests and dry runs: a next hop that keeps what it gets, and a DNS of a dictionary."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mailweir_delivery.policy.mx import MxAnswer, NoDomain
from mailweir_delivery.policy.replies import Ending, Stage, Verdict, broken
from mailweir_delivery.policy.routing import Hop
from mailweir_delivery.ports import Leg, Parcel


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as a next hop got it, for one recipient."""

    parcel: Parcel
    recipient: str
    hop: Hop


@dataclass(slots=True)
class MemoryCarrier:
    """Keeps what it gets. `answers`: recipients that end otherwise; `hold`: nothing ends before it is set.

    `held_hosts` names the hosts that `hold` is for, none means all; `unreachable` those that do not answer.
    """

    mails: list[Delivered] = field(default_factory=list)
    answers: dict[str, Ending] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    held_hosts: Collection[str] = ()
    unreachable: Collection[str] = ()
    before: Callable[[Parcel, Hop], object] = lambda _parcel, _hop: None

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        """Return how it ended for each recipient."""
        self.before(parcel, leg.hop)
        if leg.hop.host in self.unreachable:
            ending = broken(Stage.CONNECT, "unreachable", str(leg.hop))
            return dict.fromkeys(recipients, ending)
        if self.hold is not None and (not self.held_hosts or leg.hop.host in self.held_hosts):
            await self.hold.wait()
        return {recipient: self._take(parcel, recipient, leg.hop) for recipient in recipients}

    def _take(self, parcel: Parcel, recipient: str, hop: Hop) -> Ending:
        if ending := self.answers.get(recipient):
            return ending
        self.mails.append(Delivered(parcel, recipient, hop))
        return Ending(Verdict.DELIVERED, "2.0.0", "kept", next_hop=str(hop))


@dataclass(slots=True)
class MemoryMailHosts:
    """Answers from a dictionary; what is not in it does not exist."""

    answers: Mapping[str, MxAnswer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def find(self, domain: str) -> MxAnswer:
        """Return who takes the mail of a domain."""
        self.asked.append(domain)
        return self.answers.get(domain, NoDomain())


@dataclass(slots=True)
class MemoryLate:
    """Late answers from a dictionary, each taken once."""

    known: dict[tuple[str, int], dict[str, Ending]] = field(default_factory=dict)

    def take(self, key: tuple[str, int], recipients: Collection[str]) -> Mapping[str, Ending]:
        """Return what is known of these recipients of a message."""
        known = self.known.get(key, {})
        return {r: known.pop(r) for r in recipients if r in known}
