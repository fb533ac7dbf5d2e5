"""Bodies over JetStream's object store, in its standard form (`nats object` reads them).

A body is a row of chunk messages on a subject of its own, and one message of metadata that names the
subject, size and digest. The metadata is written last and replaces the former: a reader sees the old body
or the new one, and a body whose writer died has none. Chunks go out several at a time, since each waits
for its own write to disk.
"""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mailweir_core.clock import Clock
from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.nats_kv import newest
from mailweir_runtime.bus.nats_link import Link
from mailweir_runtime.bus.nats_wire import Inbox, Wire, WireLost
from mailweir_runtime.bus.ports import BusError, BusFull, BusUnavailable, StoredBody
from mailweir_runtime.bus.topology import BODIES
from mailweir_runtime.logs import get_logger

STREAM: Final = f"OBJ_{BODIES}"
MAX_BODY_BYTES: Final = 256 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024
"""Size of a chunk; smaller where the broker's max_payload is. (Eight times 128 KiB: twice the speed.)"""
HEADROOM_BYTES: Final = 4096
"""What a chunk leaves free of max_payload for its header."""
IN_FLIGHT: Final = 4
"""Chunks that wait for their acknowledgement at once. (Four: a tenth faster than one; eight: no more.)"""
READ_AHEAD_BYTES: Final = 8 * 1024 * 1024
"""What one request for chunks may bring."""
BODY_SECONDS: Final = 30.0
"""For one body, either way."""
HASH_IN_THREAD_BYTES: Final = 1024 * 1024
RETRY_SECONDS: Final = 0.1
END_OF_BATCH: Final = 204

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Meta:
    """A body's metadata as it is stored."""

    key: str
    chunk_id: str
    size: int
    chunks: int
    digest: str
    deleted: bool


class _Incomplete(Exception):
    """Raised when chunks are missing: replaced meanwhile, or not yet on the replica that answered."""


class NatsBodies:
    """The body store."""

    def __init__(self, link: Link, metrics: BusMetrics, clock: Clock) -> None:
        """Wrap an object store that exists."""
        self._link = link
        self._metrics = metrics
        self._clock = clock

    async def put(self, key: str, content: bytes) -> StoredBody:
        """Store a body durably; the same key is replaced. Raises BusUnavailable, BusFull."""
        if len(content) > MAX_BODY_BYTES:
            raise BusFull(f"a body of {len(content)} bytes is over {MAX_BODY_BYTES}")
        chunk_id = secrets.token_hex(11)
        digest = await _sha256(content)
        former = await self._meta(key)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                chunks = await self._put_chunks(_chunk_subject(chunk_id), content)
                await self._put_meta(Meta(key, chunk_id, len(content), chunks, digest.hex(), False))
        except BaseException as error:
            self._discard(chunk_id)
            if isinstance(error, TimeoutError):
                raise BusUnavailable(f"body not stored within {BODY_SECONDS:g} s") from error
            raise
        if former is not None and not former.deleted:
            self._discard(former.chunk_id)
        return StoredBody(key, len(content), digest.hex())

    async def _put_chunks(self, subject: str, content: bytes) -> int:
        """Publish the chunks in order, a few unacknowledged at a time; returns how many."""
        wire = await self._link.wire(BODY_SECONDS)
        size = min(CHUNK_BYTES, wire.max_payload - HEADROOM_BYTES)
        room = asyncio.Semaphore(IN_FLIGHT)
        failures: list[BusError] = []
        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(content), size):
                await room.acquire()
                if failures:
                    break
                chunk = content[start : start + size]
                # the task's first step writes the frame, and tasks start in the order they were made
                task = tasks.create_task(_put_chunk(wire, subject, chunk, failures))
                task.add_done_callback(lambda _: room.release())
        if failures:
            raise failures[0]
        return -(-len(content) // size)

    async def _put_meta(self, meta: Meta) -> None:
        header = nats_api.header_block(
            ("Nats-Rollup", "sub"), ("Nats-Msg-Id", f"{meta.chunk_id}-{meta.size}")
        )
        answer = await self._link.request(
            _meta_subject(meta.key), self._encode(meta), seconds=nats_api.API_SECONDS,
            header=header, resend=True,
        )  # fmt: skip
        nats_api.pub_ack(answer)

    def _encode(self, meta: Meta) -> bytes:
        digest = (
            base64.urlsafe_b64encode(bytes.fromhex(meta.digest)).decode() if meta.digest else ""
        )
        now = datetime.fromtimestamp(self._clock.now(), UTC).isoformat()
        document: dict[str, Any] = {
            "name": meta.key,
            "bucket": BODIES,
            "nuid": meta.chunk_id,
            "size": meta.size,
            "chunks": meta.chunks,
            "mtime": now,
            "options": {"max_chunk_size": CHUNK_BYTES},
            "digest": f"SHA-256={digest}",
        }
        return nats_api.dumps(document)

    def _discard(self, chunk_id: str) -> None:
        """Ask for chunks to be removed, without waiting; what is missed is garbage, never half a body."""
        self._link.send_now(
            f"{nats_api.PREFIX}STREAM.PURGE.{STREAM}",
            nats_api.dumps({"filter": _chunk_subject(chunk_id)}),
        )

    async def get(self, key: str) -> bytes | None:
        """Return a body, or None where there is none; raises BusUnavailable, also on a bad digest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BODY_SECONDS
        while loop.time() < deadline:
            meta = await self._meta(key)
            if meta is None or meta.deleted:
                return None
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._get_content(meta)
            except (_Incomplete, WireLost):
                await asyncio.sleep(RETRY_SECONDS)
            except TimeoutError:
                break
        self._metrics.body_failures.inc()
        _log.error("body_not_read", key=key)
        raise BusUnavailable(f"body {key} could not be read whole within {BODY_SECONDS:g} s")

    async def _get_content(self, meta: Meta) -> bytes:
        wire = await self._link.wire(BODY_SECONDS)
        chunks = [chunk async for chunk in _chunks(wire, meta)]
        content = b"".join(chunks)
        if len(content) != meta.size or (await _sha256(content)).hex() != meta.digest:
            raise _Incomplete
        return content

    async def delete(self, key: str) -> None:
        """Remove a body; no error where there is none. Raises BusUnavailable."""
        meta = await self._meta(key)
        if meta is not None:
            # no mark is left, as other clients leave one: there is one key per message, for ever
            request = {"filter": _meta_subject(key)}
            await nats_api.call(self._link, f"STREAM.PURGE.{STREAM}", request)
            self._discard(meta.chunk_id)

    async def keys(self) -> Sequence[str]:
        """Return the keys of all bodies."""
        found = await newest(self._link, STREAM, f"$O.{BODIES}.M.>")
        metas = (_decode(message.data) for message in found)
        return sorted(meta.key for meta in metas if not meta.deleted)

    async def sweep(self, older_than_seconds: float = 3600.0) -> int:
        """Remove pieces that no body owns and that are older; returns of how many bodies.

        They are left by a writer that died, or by a removal whose request was lost.
        """
        found = await newest(self._link, STREAM, f"$O.{BODIES}.M.>")
        owned = {_decode(message.data).chunk_id for message in found}
        swept = 0
        for subject in await self._chunk_subjects():
            chunk_id = subject.rpartition(".")[2]
            if chunk_id not in owned and await self._age(subject) > older_than_seconds:
                await nats_api.call(self._link, f"STREAM.PURGE.{STREAM}", {"filter": subject})
                swept += 1
        return swept

    async def _chunk_subjects(self) -> list[str]:
        """Return the subjects that hold chunks; the broker tells them in pages."""
        subjects: list[str] = []
        while True:
            request = {"subjects_filter": f"$O.{BODIES}.C.>", "offset": len(subjects)}
            info = await nats_api.call(self._link, f"STREAM.INFO.{STREAM}", request)
            page = info["state"].get("subjects") or {}
            subjects += page
            if not page or len(subjects) >= int(info.get("total", 0)):
                return subjects

    async def _age(self, subject: str) -> float:
        """Return for how many seconds nothing was stored on a subject; 0 where it is gone."""
        request = {"last_by_subj": subject}
        answer = await nats_api.find(self._link, f"STREAM.MSG.GET.{STREAM}", request)
        if answer is None:
            return 0.0
        stored = datetime.fromisoformat(answer["message"]["time"][:19] + "+00:00")
        return self._clock.now() - stored.timestamp()

    async def _meta(self, key: str) -> Meta | None:
        request = {"last_by_subj": _meta_subject(key)}
        answer = await nats_api.find(self._link, f"STREAM.MSG.GET.{STREAM}", request)
        if answer is None:
            return None
        return _decode(base64.b64decode(answer["message"].get("data", "")))


async def _put_chunk(wire: Wire, subject: str, chunk: bytes, failures: list[BusError]) -> None:
    """Publish one chunk; a failure is noted, not raised, so that the others end in order."""
    try:
        nats_api.pub_ack(await wire.ask(subject, chunk, b"", nats_api.API_SECONDS))
    except BusError as error:
        failures.append(error)
    except (TimeoutError, WireLost):
        failures.append(BusUnavailable("a chunk was not confirmed"))


async def _chunks(wire: Wire, meta: Meta) -> AsyncIterator[bytes]:
    """Yield a body's chunks in order; raises _Incomplete, WireLost."""
    inbox = wire.inbox()
    left, sequence, batch = meta.chunks, 1, 1
    try:
        while left:
            request = {
                "seq": sequence,
                "batch": batch,
                "next_by_subj": _chunk_subject(meta.chunk_id),
            }
            subject = f"{nats_api.PREFIX}DIRECT.GET.{STREAM}"
            wire.send(subject, nats_api.dumps(request), reply=inbox.subject)
            size = 0
            async for at, chunk in _batch(inbox):
                sequence = at + 1
                size, left = len(chunk), left - 1
                yield chunk
            if not size:
                raise _Incomplete
            batch = max(1, min(left, READ_AHEAD_BYTES // size))
    finally:
        inbox.close()


async def _batch(inbox: Inbox) -> AsyncIterator[tuple[int, bytes]]:
    """Yield sequence and content of what one request brings; raises _Incomplete."""
    while True:
        item = await inbox.get(nats_api.API_SECONDS)
        if item is None or item.status not in (0, END_OF_BATCH):
            raise _Incomplete
        if item.status == END_OF_BATCH:
            return
        yield int(nats_api.header_fields(item.header)["nats-sequence"]), item.data


async def _sha256(content: bytes) -> bytes:
    if len(content) < HASH_IN_THREAD_BYTES:
        return hashlib.sha256(content).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(content).digest())


def _chunk_subject(chunk_id: str) -> str:
    return f"$O.{BODIES}.C.{chunk_id}"


def _meta_subject(key: str) -> str:
    return f"$O.{BODIES}.M.{base64.urlsafe_b64encode(key.encode()).decode()}"


def _decode(data: bytes) -> Meta:
    try:
        document = json.loads(data)
        kind, _, digest = str(document.get("digest", "")).partition("=")
        if digest and kind.upper() != "SHA-256":
            raise ValueError(f"digest of kind {kind[:20]}")
        return Meta(
            key=str(document["name"]),
            chunk_id=str(document["nuid"]),
            size=int(document["size"]),
            chunks=int(document["chunks"]),
            digest=base64.urlsafe_b64decode(digest).hex(),
            deleted=bool(document.get("deleted", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BusUnavailable(f"a body's metadata cannot be read: {error!r}") from error
