"""The bus in memory, for unit tests: no socket, the same contract, time from a clock."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from mailweir_core.clock import Clock, SystemClock
from mailweir_runtime.bus.matching import stream_of
from mailweir_runtime.bus.memory_kv import MemoryBodies, MemoryKeyValue
from mailweir_runtime.bus.memory_streams import MemoryConsumer, MemoryMessage, MemoryStream, Stored
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.ports import BusError, BusUnavailable, Entry, PubAck, StoredBody
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
        self.connections = 1
        known = {spec.name: spec for spec in (*streams, PARKED)}
        self._streams = {name: MemoryStream(spec, self.clock) for name, spec in known.items()}
        self._consumers: dict[str, _Consumer] = {}
        self._buckets = {spec.name: _Bucket(self, spec) for spec in buckets}
        self._bodies = _Bodies(self)

    @property
    def connected(self) -> bool:
        """Say whether the broker answers at the moment."""
        return self.outage is None

    @property
    def bodies(self) -> "_Bodies":
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
        spec = stream_of(subject, [stream.spec for stream in self._streams.values()])
        if spec is None:
            raise BusUnavailable(f"no stream takes {subject}")
        return self._streams[spec.name].publish(subject, bytes(payload), msg_id)

    async def consumer(self, spec: ConsumerSpec) -> "_Consumer":
        """Return the durable consumer of a declared spec."""
        self.check()
        if spec.name not in self._consumers:
            stream, parked = self._streams[spec.stream.name], self._streams[PARKED.name]
            consumer = MemoryConsumer(spec, stream, parked, self.clock, self.metrics)
            self._consumers[spec.name] = _Consumer(self, consumer)
        return self._consumers[spec.name]

    async def last(self, stream: StreamSpec, subject: str) -> bytes | None:
        """Return the payload of the newest message on a subject, or None where there is none."""
        self.check()
        stored = self._streams[stream.name].last(subject)
        return None if stored is None else stored.payload

    async def bucket(self, spec: BucketSpec) -> "_Bucket":
        """Return a declared bucket."""
        self.check()
        return self._buckets[spec.name]


class _Consumer:
    def __init__(self, bus: MemoryBus, consumer: MemoryConsumer) -> None:
        self._bus = bus
        self._consumer = consumer

    async def fetch(self, most: int, wait_seconds: float) -> Sequence[MemoryMessage]:
        self._bus.check()
        return await self._consumer.fetch(most, wait_seconds)

    async def lag(self) -> int:
        self._bus.check()
        return await self._consumer.lag()


class _Bucket(MemoryKeyValue):
    def __init__(self, bus: MemoryBus, spec: BucketSpec) -> None:
        super().__init__(spec, bus.clock)
        self._bus = bus

    async def get(self, key: str) -> Entry | None:
        self._bus.check()
        return await super().get(key)

    async def put(self, key: str, value: bytes) -> int:
        self._bus.check()
        return await super().put(key, value)

    async def entries(self, prefix: str = "") -> Sequence[Entry]:
        self._bus.check()
        return await super().entries(prefix)


class _Bodies(MemoryBodies):
    def __init__(self, bus: MemoryBus) -> None:
        super().__init__()
        self._bus = bus

    async def put(self, key: str, content: bytes) -> StoredBody:
        self._bus.check()
        return await super().put(key, content)

    async def get(self, key: str) -> bytes | None:
        self._bus.check()
        return await super().get(key)

    async def delete(self, key: str) -> None:
        self._bus.check()
        await super().delete(key)

    async def keys(self) -> Sequence[str]:
        self._bus.check()
        return await super().keys()
