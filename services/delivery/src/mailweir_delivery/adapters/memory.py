"""Ports in memory, for tests and dry runs: a next hop that keeps what it gets, and a DNS of a dictionary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailweir_delivery.policy.mx import MxAnswer, NoDomain
from mailweir_delivery.policy.replies import Ending, Verdict
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
    """Keeps what it gets. `answers` maps recipients to another ending than delivery, until taken out."""

    mails: list[Delivered] = field(default_factory=list)
    answers: dict[str, Ending] = field(default_factory=dict)
    before: Callable[[Parcel, Hop], None] = lambda _parcel, _hop: None

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        """Return how it ended for each recipient."""
        self.before(parcel, leg.hop)
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
