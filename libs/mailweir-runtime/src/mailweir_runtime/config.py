"""The policy in the bus: versions, the pointer to the one in force, and the watch that services run by.

Bucket `config`: `v.<n>` holds an immutable document `{"number", "created_at", "author", "reason",
"policy"}`, `current` the number in force. A version is written first and the pointer moved over exactly the
one that was read, so of two admins one is told of the other.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_core.clock import Clock
from mailweir_policy import InvalidPolicyError, Policy, dumps, policy_from
from mailweir_runtime.bus.ports import (
    Bus,
    BusError,
    BusUnavailable,
    Entry,
    KeyValue,
    RevisionConflict,
)
from mailweir_runtime.bus.topology import CONFIG
from mailweir_runtime.logs import get_logger

CURRENT: Final = "current"
MAX_DOCUMENT_BYTES: Final = 1024 * 1024
MAX_TEXT: Final = 500
MAX_NUMBERS_TRIED: Final = 100
REJECTIONS: Final = ("invalid", "vanished")
PART: Final = "config"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One stored version. `created_at`: seconds since the epoch."""

    number: int
    created_at: float
    author: str
    reason: str
    policy: Policy

    @property
    def version(self) -> str:
        """Return its key, which services report as the version they run."""
        return version_key(self.number)


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """The policy a service runs by, and which version it is."""

    policy: Policy
    version: str


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """A policy that never changes, for tests and for tools without a bus."""

    current: PolicySnapshot


class HasPolicy(Protocol):
    """What holds the policy in force: a watch, or a static one."""

    @property
    def current(self) -> PolicySnapshot:
        """Return the policy to use now."""
        ...


class InvalidDocument(Exception):
    """Raised when a stored version cannot be read."""


def version_key(number: int) -> str:
    """Return the key of a version."""
    return f"v.{number}"


def static_config(policy: Policy | None = None, version: str = "v.0") -> StaticConfig:
    """Return a policy that never changes."""
    return StaticConfig(PolicySnapshot(policy or Policy(), version))


def encode(version: PolicyVersion) -> bytes:
    """Return the stored form of a version."""
    head = {
        "number": version.number,
        "created_at": version.created_at,
        "author": version.author[:MAX_TEXT],
        "reason": version.reason[:MAX_TEXT],
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    return text[:-1].encode() + b',"policy":' + dumps(version.policy) + b"}"


def decode(data: bytes) -> PolicyVersion:
    """Return the version in its stored form; raises InvalidDocument."""
    try:
        document = json.loads(data)
        return PolicyVersion(
            number=int(document["number"]),
            created_at=float(document["created_at"]),
            author=str(document["author"]),
            reason=str(document["reason"]),
            policy=policy_from(_mapping(document["policy"])),
        )
    except InvalidPolicyError as error:
        raise InvalidDocument(str(error)) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidDocument(f"not a stored policy: {error!r}") from error


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("policy is not an object")
    return value


def _number(entry: Entry | None) -> int:
    if entry is None or entry.value is None:
        return 0
    text = entry.value.decode("ascii", "replace")
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise InvalidDocument(f"`current` is no number: {text[:40]!r}")
    return int(text)


async def load_version(bus: Bus, number: int) -> PolicyVersion | None:
    """Return a stored version, or None; raises InvalidDocument, BusUnavailable."""
    bucket = await bus.bucket(CONFIG)
    return await _load(bucket, number)


async def _load(bucket: KeyValue, number: int) -> PolicyVersion | None:
    entry = await bucket.get(version_key(number))
    return None if entry is None or entry.value is None else decode(entry.value)


async def current(bus: Bus) -> PolicyVersion | None:
    """Return the version in force, or None before the first; raises InvalidDocument, BusUnavailable."""
    bucket = await bus.bucket(CONFIG)
    number = _number(await bucket.get(CURRENT))
    return await _load(bucket, number) if number else None


async def history(bus: Bus) -> list[int]:
    """Return the numbers of every stored version, newest first."""
    bucket = await bus.bucket(CONFIG)
    keys = [entry.key.removeprefix("v.") for entry in await bucket.entries("v.")]
    return sorted((int(key) for key in keys if key.isdigit()), reverse=True)


async def propose(
    bus: Bus, policy: Policy, *, author: str, reason: str, clock: Clock, expected: str | None
) -> str:
    """Store a policy as the next version and put it in force; returns its key.

    `expected`: the version that the author saw (`v.<n>`), None where there was none. Raises RevisionConflict
    when another one is in force, InvalidDocument when it is too big; then nothing has changed.
    """
    bucket = await bus.bucket(CONFIG)
    pointer = await bucket.get(CURRENT)
    number = _number(pointer)
    if (version_key(number) if number else None) != expected:
        raise RevisionConflict(f"{version_key(number)} is in force, not {expected}")
    number = await _store_next(bucket, number, policy, author, reason, clock)
    value = str(number).encode()
    if pointer is None:
        await bucket.create(CURRENT, value)
    else:
        await bucket.update(CURRENT, value, pointer.revision)
    return version_key(number)


async def _store_next(
    bucket: KeyValue, after: int, policy: Policy, author: str, reason: str, clock: Clock
) -> int:
    """Write the document under the first free number after `after`; returns the number."""
    for number in range(after + 1, after + 1 + MAX_NUMBERS_TRIED):
        document = encode(PolicyVersion(number, clock.now(), author, reason, policy))
        if len(document) > MAX_DOCUMENT_BYTES:
            raise InvalidDocument(
                f"{len(document)} bytes; a policy has at most {MAX_DOCUMENT_BYTES}"
            )
        try:
            await bucket.create(version_key(number), document)
        except RevisionConflict:
            continue  # somebody writes at the same time, or died before moving the pointer
        return number
    raise RevisionConflict(f"no free version after {version_key(after)}")


async def ensure_first(bus: Bus, policy: Policy, clock: Clock) -> str:
    """Put `policy` in force where there is none yet; returns the version in force."""
    bucket = await bus.bucket(CONFIG)
    while True:
        number = _number(await bucket.get(CURRENT))
        if number:
            return version_key(number)
        try:
            return await propose(
                bus, policy, author="mailweir", reason="first start", clock=clock, expected=None
            )
        except RevisionConflict:
            continue  # another process was faster: take what it put in force


class ConfigMetrics:
    """What the config watch counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare every series and set it to zero."""
        self.rejected = Counter(
            "mailweir_config_rejected_total",
            "Policy versions that were put in force but could not be used; the last good one is.",
            ["kind"],
            registry=registry,
        )
        self.number = Gauge(
            "mailweir_config_version_number", "Policy version that is used.", registry=registry
        )
        for kind in REJECTIONS:
            self.rejected.labels(kind)


class WatchRuntime(Protocol):
    """What the watch needs of the runtime."""

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Return the group that owns background tasks."""
        ...

    @property
    def registry(self) -> CollectorRegistry:
        """Return where metrics are declared."""
        ...

    def degraded(self, detail: str, *, part: str = "") -> None:
        """Say that the service works with less."""
        ...

    def recovered(self, part: str = "") -> None:
        """Say that a part works again."""
        ...


class ConfigWatch:
    """Follows the policy in force; keeps the last good one when a document is bad or gone.

    An async context manager: entered, it watches until it is left.
    """

    def __init__(self, rt: WatchRuntime, bus: Bus) -> None:
        """Prepare; nothing is read before it is entered."""
        self._rt = rt
        self._bus = bus
        self._metrics = ConfigMetrics(rt.registry)
        self._snapshot: PolicySnapshot | None = None
        self._arrived = asyncio.Event()
        self._listeners: list[Callable[[PolicySnapshot], None]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ConfigWatch":
        """Begin to watch."""
        self._task = self._rt.tasks.create_task(self._watch(), name="config-watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    @property
    def current(self) -> PolicySnapshot:
        """Return the last good policy; raises LookupError before the first (await `first`)."""
        if self._snapshot is None:
            raise LookupError("no policy yet")
        return self._snapshot

    async def first(self, timeout: float) -> PolicySnapshot:
        """Wait until there is a policy; raises BusUnavailable after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
        except TimeoutError as error:
            raise BusUnavailable(f"no policy within {timeout:g} s") from error
        return self.current

    def subscribe(self, listener: Callable[[PolicySnapshot], None]) -> None:
        """Call `listener` with each new policy, and at once with the present one, if any."""
        self._listeners.append(listener)
        if self._snapshot is not None:
            listener(self._snapshot)

    async def _watch(self) -> None:
        bucket = await self._bus.bucket(CONFIG)
        async for entry in bucket.watch(CURRENT, exact=True):
            await self._follow(bucket, entry)

    async def _follow(self, bucket: KeyValue, entry: Entry) -> None:
        """Swap to the version that the pointer names, or keep the last good one."""
        if entry.value is None:
            self._reject("vanished", "the pointer to the policy in force was deleted")
            return
        try:
            version = await self._load_surely(bucket, _number(entry))
        except InvalidDocument as error:
            self._reject("invalid", str(error))
            return
        if version is None:
            self._reject("vanished", f"policy version {entry.value[:20]!r} is missing")
            return
        self._swap(PolicySnapshot(version.policy, version.version), version.number)

    async def _load_surely(self, bucket: KeyValue, number: int) -> PolicyVersion | None:
        """Read a version, however long the broker is away."""
        pause = 0.1
        while True:
            try:
                return await _load(bucket, number)
            except BusError as error:
                _log.warning("config_not_read", number=number, detail=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _swap(self, snapshot: PolicySnapshot, number: int) -> None:
        self._rt.recovered(PART)
        self._metrics.number.set(number)
        if self._snapshot is not None and self._snapshot.version == snapshot.version:
            return
        self._snapshot = snapshot
        self._arrived.set()
        _log.info("config_in_force", version=snapshot.version)
        for listener in self._listeners:
            listener(snapshot)

    def _reject(self, kind: str, detail: str) -> None:
        kept = "none" if self._snapshot is None else self._snapshot.version
        self._metrics.rejected.labels(kind).inc()
        self._rt.degraded(f"policy rejected, {kept} is kept: {detail[:200]}", part=PART)
        _log.error("config_rejected", kind=kind, kept=kept, detail=detail)
