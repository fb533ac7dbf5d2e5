"""The bus in memory, for unit tests: no socket, the same contract, time from a clock."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from mailweir_core.clock import Clock, SystemClock
from mailweir_runtime.bus.matching import check_msg_id, check_subject, stream_of
from mailweir_runtime.bus.memory_kv import MemoryBodies, MemoryKeyValue
from mailweir_runtime.bus.memory_streams import MemoryConsumer, MemoryStream, Stored
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.ports import BusError, BusUnavailable, Held, PubAck, StreamFill
from mailweir_runtime.bus.topology import (
    BUCKETS,
    PARKED,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)


class MemoryBus:
    """Streams, buckets and bodies in memory.

    Set `outage` to an exception to have every call raise it: BusUnavailable, BusFull. Raise `connections`
    to play a reconnect.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        metrics: BusMetrics | None = None,
        streams: Sequence[StreamSpec] = STREAMS,
        buckets: Sequence[BucketSpec] = BUCKETS,
    ) -> None:
        """Begin empty, with the declared streams and buckets."""
        self.clock: Clock = clock or SystemClock()
        self.metrics = metrics or BusMetrics(CollectorRegistry())
        self.outage: BusError | None = None
        self._connections = 1
        known = {spec.name: spec for spec in (*streams, PARKED)}
        self._streams = {name: MemoryStream(spec, self.clock) for name, spec in known.items()}
        self._consumers: dict[str, MemoryConsumer] = {}
        self._buckets = {
            spec.name: MemoryKeyValue(spec, self.clock, self.check) for spec in buckets
        }
        self._bodies = MemoryBodies(self.check)

    @property
    def connected(self) -> bool:
        """Say whether the broker answers at the moment."""
        return self.outage is None

    @property
    def connections(self) -> int:
        """Return how many connections have been made so far."""
        return self._connections

    @connections.setter
    def connections(self, number: int) -> None:
        """Play a reconnect: nothing that is stored now is called fresh any more."""
        self._connections = number
        for stream in self._streams.values():
            stream.settle_floor()

    @property
    def bodies(self) -> MemoryBodies:
        """Return the body store."""
        return self._bodies

    def check(self) -> None:
        """Raise what the test wants every call to raise."""
        if self.outage is not None:
            raise self.outage

    def stored(self, stream: StreamSpec) -> list[Stored]:
        """Return what lies in a stream, oldest first (for tests)."""
        return list(self._streams[stream.name].messages.values())

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
        """Store a message; the same `msg_id` within the window is stored once."""
        self.check()
        if msg_id:
            check_msg_id(msg_id)
        spec = stream_of(check_subject(subject), [stream.spec for stream in self._streams.values()])
        if spec is None:
            raise BusUnavailable(f"no stream takes {subject}")
        return self._streams[spec.name].publish(subject, bytes(payload), msg_id)

    async def consumer(self, spec: ConsumerSpec) -> MemoryConsumer:
        """Return the durable consumer of a declared spec."""
        self.check()
        if spec.name not in self._consumers:
            stream, parked = self._streams[spec.stream.name], self._streams[PARKED.name]
            self._consumers[spec.name] = MemoryConsumer(
                spec, stream, parked, self.clock, self.metrics, self.check
            )
        return self._consumers[spec.name]

    async def last(self, stream: StreamSpec, subject: str) -> bytes | None:
        """Return the payload of the newest message on a subject, or None where there is none."""
        self.check()
        stored = self._streams[stream.name].last(subject)
        return None if stored is None else stored.payload

    async def held(self, streams: Sequence[str]) -> Held:
        """Return what streams hold, by name, and the store in all; a stream that is not there is left out."""
        self.check()
        fills = {
            name: StreamFill(
                name, len(s.messages), sum(len(m.payload) for m in s.messages.values())
            )
            for name, s in self._streams.items()
        }
        store = sum(fill.bytes for fill in fills.values())
        return Held(store, tuple(fills[name] for name in streams if name in fills))

    async def bucket(self, spec: BucketSpec) -> MemoryKeyValue:
        """Return a bucket; makes one that is not declared."""
        self.check()
        if spec.name not in self._buckets:
            self._buckets[spec.name] = MemoryKeyValue(spec, self.clock, self.check)
        return self._buckets[spec.name]
