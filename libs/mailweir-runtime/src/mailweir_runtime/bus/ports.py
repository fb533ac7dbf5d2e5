"""What services ask of the bus; one adapter speaks to NATS JetStream, one lives in memory.

Errors: every method raises `BusUnavailable` when the broker does not answer in time; nothing else of the
broker's library comes through.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.topology import BucketSpec, ConsumerSpec, StreamSpec


class BusError(Exception):
    """Base of what the bus raises."""


class BusUnavailable(BusError):
    """Raised when the broker did not confirm in time; the caller does not know whether it happened."""


class BusFull(BusError):
    """Raised when the broker refuses to store more (disk full, stream at its limit); nothing was stored."""


class RevisionConflict(BusError):
    """Raised when a key has another revision than the caller expected."""


class TryLater(Exception):
    """Raised by a handler when something it needs is away: the message comes back and is not parked."""


@dataclass(frozen=True, slots=True)
class PubAck:
    """The broker's word that a message is on disk. `duplicate`: its id had been stored before."""

    stream: str
    sequence: int
    duplicate: bool = False


class Message(Protocol):
    """A message taken from a stream. One of ack, nak, park ends its handling; a second call does nothing."""

    @property
    def subject(self) -> str:
        """Return the full subject it was published to."""
        ...

    @property
    def payload(self) -> bytes:
        """Return its content."""
        ...

    @property
    def attempt(self) -> int:
        """Return how often it has been handed out, from 1."""
        ...

    @property
    def fresh(self) -> bool:
        """Say whether it is certain that nobody was handed it before.

        `attempt == 1` alone does not say so: a broker that is killed forgets the hand-outs of its last
        second, and acks too. Where a message is not fresh, look up what was done with it.
        """
        ...

    @property
    def published_at(self) -> float:
        """Return when the broker stored it, seconds since the epoch."""
        ...

    @property
    def settled(self) -> bool:
        """Say whether ack, nak or park has been called."""
        ...

    async def ack(self) -> None:
        """Tell the broker that it is done with; returns before the broker confirms."""
        ...

    async def ack_sync(self) -> None:
        """The same, and wait for the broker's confirmation."""
        ...

    async def nak(self, delay_seconds: float = 0.0) -> None:
        """Give it back, to be handed out again after the delay."""
        ...

    async def in_progress(self) -> None:
        """Ask for more time: the ack wait begins anew."""
        ...

    async def park(self, reason: str) -> None:
        """Copy it to the stream PARKED with the reason, count it, and take it off this stream."""
        ...


class Consumer(Protocol):
    """A durable pull consumer, shared by all processes of a service."""

    async def fetch(
        self, most: int, wait_seconds: float, *, keep_open: bool = False
    ) -> Sequence[Message]:
        """Return up to `most` messages as soon as there is one; none after `wait_seconds`.

        `keep_open`: what comes before the next fetch, up to `most` in all, is handed out to this process
        and lies ready then: one request for many fetches. `most` must not shrink but by what was taken.
        """
        ...

    async def end_fetching(self) -> None:
        """Give back what came for a fetch that was kept open and was not taken; nothing more comes."""
        ...

    async def lag(self) -> int:
        """Return how many messages wait or are being worked on."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's value. `value` is None where the key was deleted or ran out."""

    key: str
    value: bytes | None
    revision: int


class KeyValue(Protocol):
    """A bucket of keys with revisions. Keys: letters, digits, and `-_=./`."""

    async def get(self, key: str) -> Entry | None:
        """Return the newest value, or None where there is none."""
        ...

    async def get_many(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        """Return the newest value of each key in the order asked, None where there is none.

        Many keys cost little more than one. In a cluster a value stored elsewhere an instant ago may be
        missing; an update over the revision found is refused then.
        """
        ...

    async def put(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value whatever was there; returns its revision.

        `ttl_seconds`, here and below: how long it lives, in whole seconds rounded up, 0 for ever. A later
        write without it takes the end away. Raises ValueError where the bucket has no `key_ttl`.
        """
        ...

    async def create(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value where there is none; raises RevisionConflict otherwise."""
        ...

    async def update(
        self, key: str, value: bytes, revision: int, *, ttl_seconds: float = 0.0
    ) -> int:
        """Store a value over exactly that revision; raises RevisionConflict otherwise."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a key; no error where there is none."""
        ...

    async def entries(self, prefix: str = "") -> Sequence[Entry]:
        """Return the live entries whose key begins so, by key."""
        ...

    async def changes(self, after: int, most: int = 500) -> Sequence[Entry]:
        """Return keys written or deleted after a revision, oldest first; none where that was the newest.

        For big buckets: a copy that is kept so costs the connection one small answer at a time, where a
        watch sends all that is there at once and has everything else wait behind it. A key that is written
        over is told once; that a key was deleted or ran out is told for a while only.
        """
        ...

    def watch(
        self, prefix: str = "", *, exact: bool = False, caught_up: Callable[[], None] | None = None
    ) -> AsyncIterator[Entry]:
        """Yield the present entries whose key begins so (`exact`: is so), then each change.

        `caught_up` is called whenever the present ones have all been taken: a big bucket need not be read
        whole into memory to know when a follower of it has begun to be right.

        Goes on over reconnects; after one it yields what differs, so the final state is never missed.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredBody:
    """Where a body lies: key, size in bytes, SHA-256 in lower-case hexadecimal."""

    key: str
    bytes: int
    sha256: str


class BodyStore(Protocol):
    """Bodies that are too big for a stream message, and held mail."""

    async def put(self, key: str, content: bytes) -> StoredBody:
        """Store a body durably; the same key is replaced."""
        ...

    async def get(self, key: str) -> bytes | None:
        """Return a body, or None where there is none; raises BusUnavailable, also on a bad digest."""
        ...

    async def delete(self, key: str) -> None:
        """Remove a body; no error where there is none."""
        ...

    async def keys(self) -> Sequence[str]:
        """Return the keys of all bodies."""
        ...

    async def sweep(self, older_than_seconds: float = 3600.0) -> int:
        """Remove what writers that died left behind, now and then; returns of how many bodies."""
        ...


@dataclass(frozen=True, slots=True)
class StreamFill:
    """What a stream holds."""

    name: str
    messages: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the broker holds: some streams, and its store in all, replicas counted one by one."""

    store_bytes: int
    streams: tuple[StreamFill, ...]


class Bus(Protocol):
    """Streams, buckets and bodies."""

    @property
    def connected(self) -> bool:
        """Say whether the broker answers at the moment."""
        ...

    @property
    def connections(self) -> int:
        """Return how many connections have been made so far.

        A broker that was killed may hand out again, as if for the first time, what it handed out shortly
        before: where that matters, look at what was stored before the present connection as redelivered.
        """
        ...

    @property
    def bodies(self) -> BodyStore:
        """Return the body store."""
        ...

    @property
    def metrics(self) -> BusMetrics:
        """Return the counters that this bus and its pull loops move."""
        ...

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
        """Store a message durably; the same `msg_id` within the window is stored once.

        Raises BusUnavailable, BusFull.
        """
        ...

    async def consumer(self, spec: ConsumerSpec) -> Consumer:
        """Return the durable consumer of a declared spec."""
        ...

    async def last(self, stream: StreamSpec, subject: str) -> bytes | None:
        """Return the payload of the newest message on a subject, or None where there is none."""
        ...

    async def bucket(self, spec: BucketSpec) -> KeyValue:
        """Return a declared bucket."""
        ...

    async def held(self, streams: Sequence[str]) -> Held:
        """Return what streams hold, by name, and the store in all; a stream that is not there is left out."""
        ...
