"""The heartbeat: every process says that it lives, what it runs and where its metrics are."""

import asyncio
import itertools
import os
from collections.abc import Callable
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from mailweir.events.v1 import events_pb2
from mailweir_core.clock import Clock
from mailweir_runtime.bus.ports import Bus, BusError
from mailweir_runtime.bus.topology import SERVICES
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.logs import get_logger

HEARTBEAT_SECONDS: Final = 5.0
"""A third of the bucket's TTL: two may be lost."""
LOOK_SECONDS: Final = 0.5
"""How soon a change of state or version is told, without waiting for the next beat."""

_LOOKS_A_BEAT: Final = round(HEARTBEAT_SECONDS / LOOK_SECONDS)

_log = get_logger(__name__)


class HeartbeatRuntime(Protocol):
    """What the heartbeat tells of the runtime."""

    @property
    def name(self) -> str:
        """Return the service's name."""
        ...

    @property
    def instance(self) -> str:
        """Return the process's name among its like."""
        ...

    @property
    def state(self) -> str:
        """Return starting, ready, degraded or draining."""
        ...

    @property
    def detail(self) -> str:
        """Return what is degraded."""
        ...

    @property
    def version(self) -> str:
        """Return the program's version."""
        ...

    @property
    def metrics_url(self) -> str:
        """Return where the metrics are."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...


async def heartbeat(
    rt: HeartbeatRuntime,
    bus: Bus,
    config: HasPolicy | None,
    *,
    rules: str | Callable[[], str] = "",
    model: str | Callable[[], str] = "",
) -> None:
    """Write the process's status every 5 s and when it changes, until cancelled; then take it away.

    Run it with `rt.background` inside of the bus's block, so that it ends while there is a bus.
    `rules` and `model`: versions that are run, or what returns them at the time.
    """
    key = f"{rt.name}.{rt.instance}"
    started_at = rt.clock.now()
    told: tuple[str, ...] = ()
    try:
        for look in itertools.count():
            status = _status(rt, config, started_at)
            status.rules_version = rules if isinstance(rules, str) else rules()
            status.model_version = model if isinstance(model, str) else model()
            if look % _LOOKS_A_BEAT == 0 or told != _news(status):
                told = _news(status) if await _write(bus, key, status) else ()
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await _remove(bus, key)


def _status(
    rt: HeartbeatRuntime, config: HasPolicy | None, started_at: float
) -> events_pb2.ServiceStatus:
    return events_pb2.ServiceStatus(
        name=rt.name,
        instance=rt.instance,
        pid=os.getpid(),
        state=rt.state,
        version=rt.version,
        config_version=_config_version(config),
        metrics_url=rt.metrics_url,
        started_at=started_at,
        at=rt.clock.now(),
        detail=rt.detail,
    )


def _news(status: events_pb2.ServiceStatus) -> tuple[str, ...]:
    """Return what is told at once when it changes."""
    versions = (status.config_version, status.rules_version, status.model_version)
    return (status.state, status.detail, *versions)


def _config_version(config: HasPolicy | None) -> str:
    if config is None:
        return ""
    try:
        return config.current.version
    except LookupError:
        return ""


async def _write(bus: Bus, key: str, status: events_pb2.ServiceStatus) -> bool:
    """Write a beat; returns whether the bus has it."""
    try:
        bucket = await bus.bucket(SERVICES)
        await bucket.put(key, status.SerializeToString())
        return True
    except BusError as error:
        # the bus counts its outages; a missed beat needs no second alarm
        _log.debug("heartbeat_missed", detail=str(error))
        return False


async def _remove(bus: Bus, key: str) -> None:
    """Take the entry away at once; where that fails the TTL does it."""
    if not bus.connected:
        return
    try:
        bucket = await bus.bucket(SERVICES)
        await bucket.delete(key)
    except BusError as error:
        _log.debug("heartbeat_not_removed", detail=str(error))


async def live_services(bus: Bus) -> list[events_pb2.ServiceStatus]:
    """Return the status of every process that lives, by name and instance; raises BusUnavailable."""
    bucket = await bus.bucket(SERVICES)
    found = []
    for entry in await bucket.entries():
        try:
            found.append(events_pb2.ServiceStatus.FromString(entry.value or b""))
        except DecodeError as error:
            _log.warning("heartbeat_unreadable", key=entry.key, detail=str(error))
    return sorted(found, key=lambda status: (status.name, status.instance))
