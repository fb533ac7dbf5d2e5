"""Buckets over JetStream: every value is a message on `$KV.<bucket>.<key>`, its sequence the revision.

Reads go to the stream's leader, so that a value is seen as soon as it is written. Every write carries an
id of its own: sent again over a new connection it is stored once. A watch is an ordered, short-lived
consumer; when the connection or the broker goes, the watch reads everything anew and yields what differs,
so it never misses the final state. A key whose time is up leaves a mark, which a watch sees as its end.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.matching import check_key, check_ttl
from mailweir_runtime.bus.nats_bulk import newest_of, stored_after
from mailweir_runtime.bus.nats_link import Link
from mailweir_runtime.bus.nats_wire import Incoming, Wire, WireLost
from mailweir_runtime.bus.ports import BusError, BusUnavailable, Entry, RevisionConflict
from mailweir_runtime.bus.topology import BucketSpec

KV_SECONDS: Final = 5.0
"""For one key."""
READ_SECONDS: Final = 30.0
"""For a whole bucket."""
HEARTBEAT_SECONDS: Final = 2.0
"""A watch that hears nothing for three of these starts anew."""
IDLE_SECONDS: Final = 30
"""The broker drops a watch's consumer that nobody listens to for so long."""
RETRY_SECONDS: Final = 0.5
NANO: Final = 1_000_000_000


class OutOfStep(Exception):
    """Raised when an ordered consumer skipped a message or fell silent; start anew."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A message from an ordered consumer. `left`: how many of the present ones follow."""

    subject: str
    data: bytes
    header: bytes
    sequence: int
    left: int


class OrderedReader:
    """Reads the newest message of each subject of a stream, then whatever is stored after."""

    def __init__(self, wire: Wire, stream: str, subject: str) -> None:
        """Prepare; `open` makes the consumer."""
        self._wire = wire
        self._stream = stream
        self._filter = subject
        self._name = f"w{secrets.token_hex(8)}"
        self._inbox = wire.inbox()
        self._expected = 1

    async def open(self) -> int:
        """Make the consumer; returns how many messages are there. Raises TimeoutError, WireLost, BusError."""
        config: dict[str, Any] = {
            "name": self._name,
            "deliver_subject": self._inbox.subject,
            "deliver_policy": "last_per_subject",
            "ack_policy": "none",
            "max_deliver": 1,
            "filter_subject": self._filter,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * NANO),
            "inactive_threshold": IDLE_SECONDS * NANO,
            "num_replicas": 1,
            "mem_storage": True,
        }
        request = nats_api.dumps({"stream_name": self._stream, "config": config})
        subject = f"{nats_api.PREFIX}CONSUMER.CREATE.{self._stream}.{self._name}.{self._filter}"
        answer = nats_api.decode(await self._wire.ask(subject, request, b"", KV_SECONDS))
        return int(answer["num_pending"])

    async def next(self) -> Ordered:
        """Return the next message; raises OutOfStep, WireLost."""
        while True:
            item = await self._inbox.get(HEARTBEAT_SECONDS * 3)
            if item is None:
                raise OutOfStep
            if item.status:
                self._check_heartbeat(item)
            elif item.reply.startswith(b"$JS.ACK."):
                return self._in_order(item)

    def _check_heartbeat(self, item: Incoming) -> None:
        last = nats_api.header_fields(item.header).get("nats-last-consumer", "")
        if item.status != 100 or not last.isdigit() or int(last) != self._expected - 1:
            raise OutOfStep

    def _in_order(self, item: Incoming) -> Ordered:
        parts = item.reply.split(b".")
        at = 7 if len(parts) > 9 else 5
        if int(parts[at + 1]) != self._expected:
            raise OutOfStep
        self._expected += 1
        return Ordered(
            item.subject.decode(), item.data, item.header, int(parts[at]), int(parts[at + 3])
        )

    def close(self) -> None:
        """Drop the consumer; nobody waits for the broker's word."""
        self._inbox.close()
        if not self._wire.lost.is_set():
            self._wire.send(f"{nats_api.PREFIX}CONSUMER.DELETE.{self._stream}.{self._name}", b"")


async def newest(link: Link, stream: str, subject: str) -> list[Ordered]:
    """Return the newest message of each subject; raises BusUnavailable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READ_SECONDS
    while True:
        reader = OrderedReader(await link.wire(deadline - loop.time()), stream, subject)
        try:
            async with asyncio.timeout_at(deadline):
                left = await reader.open()
                found = []
                while left:
                    found.append(await reader.next())
                    left = found[-1].left
                return found
        except TimeoutError as error:
            raise BusUnavailable(f"{stream} not read within {READ_SECONDS:g} s") from error
        except (OutOfStep, WireLost):
            continue
        finally:
            reader.close()


class NatsKeyValue:
    """A bucket of keys with revisions."""

    def __init__(self, link: Link, spec: BucketSpec) -> None:
        """Wrap a bucket that exists."""
        self._link = link
        self._spec = spec
        self._stream = f"KV_{spec.name}"
        self._prefix = f"$KV.{spec.name}."

    async def get(self, key: str) -> Entry | None:
        """Return the newest value, or None where there is none."""
        entry = await self._newest(key)
        return None if entry is None or entry.value is None else entry

    async def get_many(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        """Return the newest value of each key in the order asked, None where there is none.

        Many keys cost little more than one. In a cluster a value stored elsewhere an instant ago may be
        missing; an update over the revision found is refused then.
        """
        subjects = [self._prefix + check_key(key) for key in keys]
        found = await newest_of(self._link, self._stream, subjects, seconds=KV_SECONDS)
        newest = zip(keys, map(found.get, subjects), strict=True)
        return [
            None if m is None or _is_mark(m.header) else Entry(key, m.data, m.sequence)
            for key, m in newest
        ]

    async def put(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value whatever was there; returns its revision."""
        return await self._store(key, value, ttl_seconds)

    async def create(self, key: str, value: bytes, *, ttl_seconds: float = 0.0) -> int:
        """Store a value where there is none; raises RevisionConflict otherwise."""
        try:
            return await self._store(key, value, ttl_seconds, _over(0))
        except RevisionConflict:
            mark = await self._newest(key)
            if mark is not None and mark.value is not None:
                raise
            # a key that was deleted or ran out has a revision: that of its mark, until that runs out too
            return await self._store(
                key, value, ttl_seconds, _over(0 if mark is None else mark.revision)
            )

    async def update(
        self, key: str, value: bytes, revision: int, *, ttl_seconds: float = 0.0
    ) -> int:
        """Store a value over exactly that revision; raises RevisionConflict otherwise."""
        return await self._store(key, value, ttl_seconds, _over(revision))

    async def delete(self, key: str) -> None:
        """Remove a key; no error where there is none."""
        if await self.get(key) is not None:
            await self._store(key, b"", 0.0, ("KV-Operation", "DEL"))

    async def _store(
        self, key: str, value: bytes, ttl_seconds: float, *fields: tuple[str, str]
    ) -> int:
        ttl = self._ttl(ttl_seconds)
        header = nats_api.header_block(("Nats-Msg-Id", secrets.token_hex(12)), *ttl, *fields)
        subject = self._prefix + check_key(key)
        answer = await self._link.request(
            subject, value, seconds=KV_SECONDS, header=header, resend=True
        )
        return nats_api.pub_ack(answer).sequence

    def _ttl(self, seconds: float) -> tuple[tuple[str, str], ...]:
        whole = check_ttl(self._spec, seconds)
        return (("Nats-TTL", str(whole)),) if whole else ()

    async def _newest(self, key: str) -> Entry | None:
        request = {"last_by_subj": self._prefix + check_key(key)}
        answer = await nats_api.find(self._link, f"STREAM.MSG.GET.{self._stream}", request)
        if answer is None:
            return None
        message = answer["message"]
        header = base64.b64decode(message.get("hdrs", ""))
        value = base64.b64decode(message.get("data", ""))
        return Entry(key, None if _is_mark(header) else value, int(message["seq"]))

    async def entries(self, prefix: str = "") -> Sequence[Entry]:
        """Return the live entries whose key begins so, by key."""
        found = await newest(self._link, self._stream, self._filter(prefix))
        entries = (self._entry(message) for message in found)
        live = (e for e in entries if e.value is not None and e.key.startswith(prefix))
        return sorted(live, key=lambda entry: entry.key)

    async def changes(self, after: int, most: int = 500) -> Sequence[Entry]:
        """Return keys written or deleted after a revision, oldest first; none where that was the newest."""
        found = await stored_after(self._link, self._stream, after, most, seconds=KV_SECONDS)
        told = sorted(found.items(), key=lambda item: item[1].sequence)
        return [
            Entry(
                subject.removeprefix(self._prefix),
                None if _is_mark(message.header) else message.data,
                message.sequence,
            )
            for subject, message in told
        ]

    async def watch(
        self, prefix: str = "", *, exact: bool = False, caught_up: Callable[[], None] | None = None
    ) -> AsyncIterator[Entry]:
        """Yield the present entries whose key begins so, then each change; goes on over reconnects."""
        pattern = self._prefix + check_key(prefix) if exact else self._filter(prefix)
        known: dict[str, int] = {}
        while True:
            try:
                reader = OrderedReader(await self._link.wire(KV_SECONDS), self._stream, pattern)
                async for entry in self._follow(reader, prefix, known, caught_up):
                    yield entry
            except (BusError, OutOfStep, WireLost, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(
        self,
        reader: OrderedReader,
        prefix: str,
        known: dict[str, int],
        caught_up: Callable[[], None] | None,
    ) -> AsyncIterator[Entry]:
        """Yield what differs from `known` (live key to revision), then each change; keeps it up to date."""
        try:
            left = await reader.open()
            gone = set(known)
            while left:
                message = await reader.next()
                left, entry = message.left, self._entry(message)
                gone.discard(entry.key)
                if entry.key.startswith(prefix) and _news(entry, known):
                    yield entry
            for key in gone:
                yield Entry(key, None, known.pop(key))
            if caught_up is not None:
                caught_up()
            while True:
                entry = self._entry(await reader.next())
                if entry.key.startswith(prefix) and _news(entry, known):
                    yield entry
        finally:
            reader.close()

    def _entry(self, message: Ordered) -> Entry:
        value = None if _is_mark(message.header) else message.data
        return Entry(message.subject.removeprefix(self._prefix), value, message.sequence)

    def _filter(self, prefix: str) -> str:
        """Return the narrowest subject filter that takes every key with that prefix."""
        whole, dot, _ = prefix.rpartition(".")
        return f"{self._prefix}{whole}{dot}>"


def _over(revision: int) -> tuple[str, str]:
    """Return the field that has the broker refuse a write over any other revision (0: over any value)."""
    return ("Nats-Expected-Last-Subject-Sequence", str(revision))


def _news(entry: Entry, known: dict[str, int]) -> bool:
    """Note an entry; say whether it tells anything new."""
    before = known.get(entry.key)
    if entry.value is None:
        known.pop(entry.key, None)
        return before is not None
    known[entry.key] = entry.revision
    return before != entry.revision


def _is_mark(header: bytes) -> bool:
    """Say whether a message says that its key was deleted, purged or ran out."""
    lower = header.lower()
    if b"kv-operation" not in lower and b"nats-marker-reason" not in lower:
        return False
    fields = nats_api.header_fields(header)
    return fields.get("kv-operation") in ("DEL", "PURGE") or "nats-marker-reason" in fields
