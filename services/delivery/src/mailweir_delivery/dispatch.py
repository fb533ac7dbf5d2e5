"""Takes one message to one destination: a place in its lane, its hosts, one after another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mailweir_core.clock import Clock
from mailweir_delivery.lanes import Lane, Lanes, PutBack, Suspended
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.mx import candidates, literal_address
from mailweir_delivery.policy.replies import Ending, Verdict, deferred, too_many
from mailweir_delivery.policy.routing import Destination, FixedHops, Hop, Kind, MxOf
from mailweir_delivery.ports import Carrier, Leg, MailHosts, Parcel
from mailweir_policy import Policy

SUSPENDED_CODE: Final = "4.4.1"

Endings = dict[str, Ending]


class LateAnswers(Protocol):
    """Remembers transactions whose end was not answered in time."""

    def take(self, key: tuple[str, int], recipients: Collection[str]) -> Mapping[str, Ending]:
        """Return what is known of these recipients of a message."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What the dispatcher works with."""

    carriers: Mapping[Kind, Carrier]
    hosts: MailHosts
    late: LateAnswers
    metrics: Metrics


class Dispatcher:
    """One per process."""

    def __init__(self, outside: Outside, lanes: Lanes, clock: Clock) -> None:
        """Take what it works with."""
        self._outside = outside
        self._lanes = lanes
        self._metrics = outside.metrics
        self._clock = clock

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], destination: Destination, policy: Policy
    ) -> Endings | PutBack:
        """Return how it ended for each recipient; PutBack where nothing was tried."""
        endings = dict(self._outside.late.take((parcel.ref, parcel.release), recipients))
        rest = [r for r in recipients if r not in endings]
        if not rest:
            return endings
        limit = policy.delivery.connections_per_destination
        match await self._lanes.enter(destination, limit):
            case Lane() as lane:
                return endings | await self._in_lane(lane, parcel, rest, destination, policy)
            case Suspended(last_fault):
                ending = deferred(SUSPENDED_CODE, f"left alone for a while since: {last_fault}")
                self._metrics.left_alone.inc(len(rest))
                return endings | dict.fromkeys(rest, ending)
            case PutBack() as refusal:
                return endings or refusal

    def stop(self) -> None:
        """Begin nothing more."""
        self._lanes.stop()

    async def _in_lane(
        self,
        lane: Lane,
        parcel: Parcel,
        recipients: Sequence[str],
        destination: Destination,
        policy: Policy,
    ) -> Endings:
        limit = policy.delivery.connections_per_destination
        begun = self._clock.monotonic()
        try:
            endings = await self._to_destination(parcel, recipients, destination, policy)
        except BaseException:
            self._lanes.abandon(lane, limit)
            raise
        faults = [e for e in endings.values() if e.host_fault]
        self._metrics.unknown.inc(any(e.unknown for e in faults))
        if len(faults) < len(endings):
            self._lanes.leave(lane, self._clock.monotonic() - begun, limit)
            return endings
        first_wait = policy.delivery.retry.schedule_seconds[0]
        if self._lanes.leave_with_fault(lane, faults[-1].reply, first_wait):
            self._metrics.suspensions.inc()
        return endings

    async def _to_destination(
        self, parcel: Parcel, recipients: Sequence[str], destination: Destination, policy: Policy
    ) -> Endings:
        """Try one host after another for those that the one before could not help."""
        hops = await self._hops(destination, parcel.ref, policy)
        if isinstance(hops, Ending):
            return dict.fromkeys(recipients, hops)
        endings: dict[str, Ending] = {}
        rest = list(recipients)
        for hop in hops[: policy.delivery.hosts_per_attempt]:
            endings |= await self._to_hop(parcel, rest, hop, destination, policy)
            rest = [r for r in rest if endings[r].try_next]
            if not rest:
                break
        return endings

    async def _hops(
        self, destination: Destination, ref: str, policy: Policy
    ) -> tuple[Hop, ...] | Ending:
        if isinstance(destination, FixedHops):
            return destination.hops
        if address := literal_address(destination.domain):
            return (Hop(Kind.SMTP, address, destination.port),)
        answer = await self._outside.hosts.find(destination.domain)
        return candidates(destination, answer, policy.identity.hostname, ref)

    async def _to_hop(
        self,
        parcel: Parcel,
        recipients: Sequence[str],
        hop: Hop,
        destination: Destination,
        policy: Policy,
    ) -> Endings:
        """Send in as many transactions as the recipients need.

        A next hop that has had enough recipients in a transaction gets the others in a further one.
        """
        carrier = self._outside.carriers[hop.kind]
        leg = Leg(hop, destination.tls, policy)
        most = policy.delivery.recipients_per_transaction
        endings: dict[str, Ending] = {}
        rest = list(recipients)
        while rest:
            batch = rest[:most]
            found = await carrier.deliver(parcel, batch, leg)
            endings |= found
            over = [r for r in batch if too_many(found[r])]
            taken = any(found[r].verdict is Verdict.DELIVERED for r in batch)
            rest = (over if taken else []) + rest[most:]
            if fault := next((e for e in found.values() if e.host_fault), None):
                # the others were not sent: for them nothing is unknown, and another host may do
                return endings | dict.fromkeys(rest, replace(fault, unknown=False, try_next=True))
        return endings


def way_of(destination: Destination) -> str:
    """Return the metric label of a destination: `mx`, or the kind of its first hop."""
    return "mx" if isinstance(destination, MxOf) else destination.hops[0].kind.value
