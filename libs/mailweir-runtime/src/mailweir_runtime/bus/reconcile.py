"""Brings the broker to what the topology declares, at start and after each reconnect.

It only adds and widens: what is missing is created, subjects are added, limits are raised. A limit that an
admin has raised is left, nothing is ever deleted or shrunk. Several processes do this at once: each step
may find that another one has just done it. What cannot be brought together is a StartupError that says what
to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.matching import matches
from mailweir_runtime.bus.nats_link import Link
from mailweir_runtime.bus.topology import (
    BODIES,
    BUCKETS,
    CONSUMERS,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
)
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.logs import get_logger

NANO: Final = 1_000_000_000
MARK_SECONDS: Final = 60
"""How long the mark of a key that ran out is kept for watches."""
DEFAULT_WINDOW_SECONDS: Final = 120.0
BUSY_WINDOW_SECONDS: Final = 10.0
"""For buckets that are written all the time: a write is sent again within 5 s, and each id costs memory."""
TRIES: Final = 5
_IN_USE: Final = frozenset(
    {10058, 10148}
)  # stream, consumer: name in use with another configuration
_NOT_YET: Final = frozenset({10004, 10005, 10008, 10009})
"""A cluster that is not whole yet: incomplete, no peers to place on, no leader, not the leader."""
_FIXED: Final = ("retention", "storage", "discard")
_LIMITS: Final = ("max_age", "max_msgs_per_subject", "max_bytes", "duplicate_window")
_SWITCHES: Final = ("allow_direct", "allow_rollup_hdrs", "allow_msg_ttl")
_CONSUMER_FIXED: Final = ("deliver_policy", "ack_policy", "replay_policy")
_CONSUMER_TUNED: Final = (
    "ack_wait",
    "max_deliver",
    "max_ack_pending",
    "filter_subject",
    "description",
)

_RELAXED: Final = "async"
_ONE_COPY: Final = "stays one copy: removed by hand, it comes back with as many as are wanted"
_ON_DISK: Final = (
    "works, but each write waits for the disk; removed by hand, it comes back in memory"
)

_log = get_logger(__name__)

Config = dict[str, Any]


async def reconcile(link: Link, replicas: int) -> None:
    """Create and widen everything declared; raises StartupError, BusUnavailable, BusFull."""
    for spec in STREAMS:
        await ensure_stream(link, stream_config(spec, replicas))
    for bucket in BUCKETS:
        await ensure_stream(link, bucket_config(bucket, replicas))
    await ensure_stream(link, bodies_config(replicas))
    for consumer in CONSUMERS:
        await ensure_consumer(link, consumer)


def stream_config(spec: StreamSpec, replicas: int) -> Config:
    """Return a stream's configuration in JetStream's terms."""
    return {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "storage": "file",
        "discard": "new",
        "max_age": int(spec.max_age_seconds * NANO),
        "max_msgs_per_subject": spec.max_per_subject,
        "max_bytes": spec.max_bytes,
        "duplicate_window": int(spec.duplicate_window_seconds * NANO),
        "num_replicas": replicas,
        "description": spec.description,
    }


def bucket_config(spec: BucketSpec, replicas: int) -> Config:
    """Return the stream that is a bucket, as every JetStream client makes it."""
    ttl = int(spec.ttl_seconds * NANO)
    window = int((BUSY_WINDOW_SECONDS if spec.key_ttl else DEFAULT_WINDOW_SECONDS) * NANO)
    config: Config = {
        "name": f"KV_{spec.name}",
        "subjects": [f"$KV.{spec.name}.>"],
        "retention": "limits",
        "storage": spec.storage,
        "discard": "new",
        "max_age": ttl,
        "max_msgs_per_subject": spec.history,
        "max_bytes": -1,
        "duplicate_window": min(ttl, window) if ttl else window,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        "deny_delete": True,
        "num_replicas": replicas,
        "description": spec.description,
    }
    if spec.relaxed and replicas == 1:
        config["persist_mode"] = _RELAXED
    if ttl or spec.key_ttl:
        config["subject_delete_marker_ttl"] = MARK_SECONDS * NANO
    return config


def bodies_config(replicas: int) -> Config:
    """Return the stream that is the object store of bodies."""
    return {
        "name": f"OBJ_{BODIES}",
        "subjects": [f"$O.{BODIES}.C.>", f"$O.{BODIES}.M.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_bytes": -1,
        "duplicate_window": int(DEFAULT_WINDOW_SECONDS * NANO),
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "num_replicas": replicas,
        "description": "big and held bodies",
    }


def consumer_config(spec: ConsumerSpec) -> Config:
    """Return a consumer's configuration. The broker never gives up on a message: the pull loop parks it."""
    return {
        "name": spec.name,
        "durable_name": spec.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "ack_wait": int(spec.ack_wait_seconds * NANO),
        "max_deliver": -1,
        "max_ack_pending": spec.max_ack_pending,
        "filter_subject": spec.filter,
        "description": spec.description,
    }


async def ensure_stream(link: Link, wanted: Config) -> None:
    """Create a stream or widen the one that is there."""
    name = wanted["name"]
    for _ in range(TRIES):
        info = await nats_api.find(link, f"STREAM.INFO.{name}")
        action, config = (
            ("CREATE", wanted) if info is None else ("UPDATE", widened(info["config"], wanted))
        )
        if info is not None and config == info["config"]:
            return
        try:
            await nats_api.call(link, f"STREAM.{action}.{name}", config)
        except nats_api.ApiRefused as error:
            if error.code in _NOT_YET:
                raise  # a start tries again, for as long as it waits for the bus
            if error.code not in _IN_USE | nats_api.NOT_FOUND:
                raise _refused("stream", name, error) from error
        else:
            _log.info("stream_reconciled", stream=name, action=action.lower())
            return
    raise StartupError(f"stream {name} changes while it is being set up; start again")


def widened(found: Mapping[str, Any], wanted: Config) -> Config:
    """Return the configuration that is there with what is wanted added; raises StartupError."""
    name = wanted["name"]
    for field in _FIXED:
        if found.get(field) == wanted[field]:
            continue
        if field == "storage" and wanted[field] == "memory":
            _log.warning("stream_on_disk", stream=name, detail=_ON_DISK)
        else:
            raise _conflict("stream", name, field, found.get(field), wanted[field])
    config = dict(found)
    config["subjects"] = _union(found.get("subjects", ()), wanted["subjects"])
    config["num_replicas"] = _copies(found, wanted)
    for field in _LIMITS:
        config[field] = _wider(int(found.get(field, 0)), wanted[field])
    for field in _SWITCHES:
        if wanted.get(field):
            config[field] = True
    if wanted.get("subject_delete_marker_ttl"):
        config["subject_delete_marker_ttl"] = wanted["subject_delete_marker_ttl"]
    return config


def _copies(found: Mapping[str, Any], wanted: Config) -> int:
    """Return the larger number; the broker keeps but one of a stream that it writes lazily."""
    copies = int(found.get("num_replicas", 1))
    if found.get("persist_mode") != _RELAXED:
        return max(copies, int(wanted["num_replicas"]))
    if wanted["num_replicas"] > copies:
        _log.warning("stream_not_replicated", stream=wanted["name"], detail=_ONE_COPY)
    return copies


def _union(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return both, without what another one takes already: a stream's subjects must not overlap."""
    kept = [s for s in found if s in wanted or not any(matches(w, s) for w in wanted)]
    return kept + [w for w in wanted if not any(matches(s, w) for s in kept)]


def _wider(found: int, wanted: int) -> int:
    """Return the larger limit; 0 and below stand for none."""
    if found <= 0 or wanted <= 0:
        return found if found <= 0 else wanted
    return max(found, wanted)


async def ensure_consumer(link: Link, spec: ConsumerSpec) -> None:
    """Create a consumer or bring the one that is there up to date."""
    stream, wanted = spec.stream.name, consumer_config(spec)
    for _ in range(TRIES):
        info = await nats_api.find(link, f"CONSUMER.INFO.{stream}.{spec.name}")
        config = wanted if info is None else tuned(info["config"], wanted)
        if info is not None and config == info["config"]:
            return
        action = "create" if info is None else "update"
        request = {"stream_name": stream, "config": config, "action": action}
        subject = f"CONSUMER.CREATE.{stream}.{spec.name}.{spec.filter}"
        try:
            await nats_api.call(link, subject, request)
        except nats_api.ApiRefused as error:
            if error.code in _NOT_YET:
                raise  # a start tries again, for as long as it waits for the bus
            if error.code not in _IN_USE | nats_api.NOT_FOUND:
                raise _refused("consumer", spec.name, error) from error
        else:
            _log.info("consumer_reconciled", consumer=spec.name, action=action)
            return
    raise StartupError(f"consumer {spec.name} changes while it is being set up; start again")


def tuned(found: Mapping[str, Any], wanted: Config) -> Config:
    """Return the consumer that is there with our values; raises StartupError."""
    for field in _CONSUMER_FIXED:
        if found.get(field) != wanted[field]:
            raise _conflict("consumer", wanted["name"], field, found.get(field), wanted[field])
    return {**found, **{field: wanted[field] for field in _CONSUMER_TUNED}}


def _conflict(kind: str, name: str, field: str, found: object, wanted: object) -> StartupError:
    return StartupError(
        f"{kind} {name} is there with {field}={found}, and {wanted} is needed; it cannot be changed in "
        f"place: save what it holds and remove it by hand, or give Mailweir a NATS account of its own"
    )


def _refused(kind: str, name: str, error: nats_api.ApiRefused) -> StartupError:
    return StartupError(f"{kind} {name} cannot be set up: {error}")
