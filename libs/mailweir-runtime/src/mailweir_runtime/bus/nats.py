"""The bus over NATS JetStream."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import CollectorRegistry

from mailweir_core.clock import Clock
from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.bodies import NatsBodies
from mailweir_runtime.bus.matching import check_msg_id, check_subject
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.nats_consumer import NatsConsumer
from mailweir_runtime.bus.nats_kv import NatsKeyValue
from mailweir_runtime.bus.nats_link import Link, LinkOptions, OverLimit, without_secrets
from mailweir_runtime.bus.ports import BusError, BusFull, Held, PubAck, StreamFill
from mailweir_runtime.bus.reconcile import bucket_config, ensure_consumer, ensure_stream, reconcile
from mailweir_runtime.bus.server import MIN_VERSION
from mailweir_runtime.bus.topology import (
    BUCKETS,
    CONSUMERS,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.logs import get_logger

PUBLISH_SECONDS: Final = 10.0
"""How long a publish waits for the broker's word, a reconnect included."""
RECONCILE_PAUSE_SECONDS: Final = 1.0
PART: Final = "bus"
STORE_PART: Final = "bus-store"

_log = get_logger(__name__)


class NatsBus:
    """Streams, buckets and bodies in JetStream, over one link."""

    def __init__(self, link: Link, metrics: BusMetrics, clock: Clock, *, replicas: int = 1) -> None:
        """Wrap a link; `replicas` is for what the topology does not declare."""
        self.metrics = metrics
        self.storing: Callable[[bool], None] = lambda _: None
        self._stores = True
        self._replicas = replicas
        self._link = link
        self._clock = clock
        self._bodies = NatsBodies(link, metrics, clock)
        self._consumers: dict[str, NatsConsumer] = {}
        self._buckets: dict[str, NatsKeyValue] = {}
        self._seconds = {spec.name: metrics.publish_seconds.labels(spec.name) for spec in STREAMS}

    @property
    def connected(self) -> bool:
        """Say whether the broker answers at the moment."""
        return self._link.connected

    @property
    def connections(self) -> int:
        """Return how many connections have been made so far."""
        return self._link.connections

    @property
    def bodies(self) -> NatsBodies:
        """Return the body store."""
        return self._bodies

    async def publish(self, subject: str, payload: bytes, *, msg_id: str = "") -> PubAck:
        """Store a message durably; the same `msg_id` within the window is stored once.

        Raises BusUnavailable, BusFull. With a `msg_id` it is sent again when the connection breaks.
        """
        header = nats_api.msg_id_header(check_msg_id(msg_id)) if msg_id else b""
        started = self._clock.monotonic()
        try:
            answer = await self._link.request(
                check_subject(subject), payload,
                seconds=PUBLISH_SECONDS, header=header, resend=bool(msg_id),
            )  # fmt: skip
            ack = nats_api.pub_ack(answer)
        except BusError as error:
            kind = "full" if isinstance(error, BusFull) else "unavailable"
            self.metrics.publish_failures.labels(kind).inc()
            if not isinstance(error, OverLimit):
                self._note_storing(stores=not self.connected)
            raise
        if not self._stores:
            self._note_storing(stores=True)
        seconds = self._seconds.get(ack.stream)
        if seconds is not None:
            seconds.observe(self._clock.monotonic() - started)
        return ack

    def _note_storing(self, *, stores: bool) -> None:
        """Tell of a broker that is there but does not store: full, or mute since its disk was full."""
        if stores != self._stores:
            self._stores = stores
            self.storing(stores)

    async def consumer(self, spec: ConsumerSpec) -> NatsConsumer:
        """Return the durable consumer of a spec; makes it where the topology does not declare it."""
        if spec.name not in self._consumers:
            if spec not in CONSUMERS:
                await ensure_consumer(self._link, spec)
            self._consumers[spec.name] = NatsConsumer(self._link, spec, self.metrics)
        return self._consumers[spec.name]

    async def last(self, stream: StreamSpec, subject: str) -> bytes | None:
        """Return the payload of the newest message on a subject, or None where there is none."""
        request = {"last_by_subj": check_subject(subject)}
        answer = await nats_api.find(self._link, f"STREAM.MSG.GET.{stream.name}", request)
        return None if answer is None else base64.b64decode(answer["message"].get("data", ""))

    async def held(self, streams: Sequence[str]) -> Held:
        """Return what streams hold, by name, and the store in all; a stream that is not there is left out."""
        account = await nats_api.call(self._link, "INFO")
        fills = []
        for name in streams:
            info = await nats_api.find(self._link, f"STREAM.INFO.{name}")
            if info is not None:
                state = info["state"]
                fills.append(StreamFill(name, int(state["messages"]), int(state["bytes"])))
        return Held(int(account["storage"]), tuple(fills))

    async def bucket(self, spec: BucketSpec) -> NatsKeyValue:
        """Return the bucket of a spec; makes it where the topology does not declare it."""
        if spec.name not in self._buckets:
            if spec not in BUCKETS:
                await ensure_stream(self._link, bucket_config(spec, self._replicas))
            self._buckets[spec.name] = NatsKeyValue(self._link, spec)
        return self._buckets[spec.name]


class BusSettings(Protocol):
    """What the bus reads of the process settings."""

    @property
    def nats_url(self) -> str:
        """Return the broker's URL; several with commas between them."""
        ...

    @property
    def nats_credentials_file(self) -> Path | None:
        """Return a .creds file."""
        ...

    @property
    def stream_replicas(self) -> int:
        """Return how many copies the cluster keeps."""
        ...

    @property
    def connect_seconds(self) -> float:
        """Return how long the start waits for the broker."""
        ...


class BusRuntime(Protocol):
    """What the bus needs of the runtime."""

    @property
    def name(self) -> str:
        """Return the service's name."""
        ...

    @property
    def instance(self) -> str:
        """Return the process's name among its like."""
        ...

    @property
    def settings(self) -> BusSettings:
        """Return the process settings."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...

    @property
    def registry(self) -> CollectorRegistry:
        """Return where metrics are declared."""
        ...

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Return the group that owns background tasks."""
        ...

    def degraded(self, detail: str, *, part: str = "") -> None:
        """Say that the service works with less."""
        ...

    def recovered(self, part: str = "") -> None:
        """Say that a part works again."""
        ...


@asynccontextmanager
async def connect_bus(rt: BusRuntime) -> AsyncIterator[NatsBus]:
    """Connect and bring the broker to the declared topology; raises StartupError.

    The connection is remade for ever when it breaks; meanwhile the service is `degraded`.
    """
    settings, metrics = rt.settings, BusMetrics(rt.registry)
    options = LinkOptions(
        settings.nats_url, f"mailweir-{rt.name}.{rt.instance}", settings.nats_credentials_file
    )
    link = Link(options, metrics)
    try:
        await _start(link, settings)
    except BusError as error:
        await link.close()
        raise StartupError(f"the bus cannot be reached: {error}") from error
    except BaseException:
        await link.close()
        raise
    link.changed = _report_to(rt, PART, "no connection to the bus")
    link.established = lambda: _reconcile_until_done(link, settings.stream_replicas)
    task = rt.tasks.create_task(link.run(), name="bus")
    try:
        bus = NatsBus(link, metrics, rt.clock, replicas=settings.stream_replicas)
        bus.storing = _report_to(rt, STORE_PART, "the bus refuses or does not answer publishes")
        yield bus
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await link.close()


def _report_to(rt: BusRuntime, part: str, detail: str) -> Callable[[bool], None]:
    def changed(well: bool) -> None:
        if well:
            rt.recovered(part)
        else:
            rt.degraded(detail, part=part)

    return changed


async def _start(link: Link, settings: BusSettings) -> None:
    """Connect and reconcile within `connect_seconds`; raises BusError, StartupError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.connect_seconds
    for url in settings.nats_url.split(","):
        if not url.startswith(("nats://", "tls://")):
            raise StartupError(f"{without_secrets(url)}: the bus speaks nats:// and tls:// only")
    wire = await link.open(settings.connect_seconds)
    version = wire.connected_server_version
    if (version.major, version.minor) < MIN_VERSION:
        least = ".".join(str(part) for part in MIN_VERSION)
        raise StartupError(
            f"the NATS server at {without_secrets(settings.nats_url)} is older than {least}"
        )
    while True:
        try:
            return await reconcile(link, settings.stream_replicas)
        except BusError:
            if loop.time() + RECONCILE_PAUSE_SECONDS > deadline:
                raise
        await asyncio.sleep(RECONCILE_PAUSE_SECONDS)


async def _reconcile_until_done(link: Link, replicas: int) -> None:
    """Reconcile again after a reconnect: the broker may have come back empty."""
    while True:
        try:
            return await reconcile(link, replicas)
        except (BusError, StartupError) as error:
            _log.error("bus_not_reconciled", detail=str(error))
        await asyncio.sleep(RECONCILE_PAUSE_SECONDS * 5)
