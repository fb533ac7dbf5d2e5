"""Serving gRPC: one server per process, with the limits and the ending that every service needs.

Connections live for `connection_age_seconds`: a client looks names up again only when a connection ends, so
without an end a pod that was added later would get no work. Reflection is off.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2_grpc

from mailweir_runtime.listen import HostPort, UnixPath, parse_listen
from mailweir_runtime.rpc.client import KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES
from mailweir_runtime.rpc.health import Health
from mailweir_runtime.rpc.interceptors import Guard, ServerMetrics
from mailweir_runtime.runtime import Runtime, StartupError

MIN_PING_MS: Final = 10_000
"""A client that pings more often is cut off; ours pings every 30 s."""
SOCKET_MODE: Final = 0o600
DRAIN_SHARE: Final = 0.9
"""Part of the remaining drain time that running calls get; the rest is for closing what they used."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of a server."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    concurrent_calls: int = 1000
    """More are refused as RESOURCE_EXHAUSTED."""
    connection_age_seconds: float = 30.0
    connection_grace_seconds: float = 30.0
    """Time that calls on a connection at its age get."""
    floor_seconds: float = 0.002
    """A call that comes with less time is refused before any work."""


def server_options(limits: ServerLimits) -> list[tuple[str, int]]:
    """Return the channel arguments of a server."""
    return [
        (
            "grpc.so_reuseport",
            0,
        ),  # a second process on our port is a mistake, not a sharing of load
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", limits.max_message_bytes),
        ("grpc.max_connection_age_ms", int(limits.connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", int(limits.connection_grace_seconds * 1000)),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MS),
    ]


@asynccontextmanager
async def serve(
    rt: Runtime,
    listen: str,
    register: Callable[[grpc.aio.Server], None],
    *,
    limits: ServerLimits | None = None,
) -> AsyncIterator[str]:
    """Serve until the block ends; yields the target to reach it by (port 0 filled in).

    `register` adds the servicers. When the block ends in a drain, running calls get the rest of its time.
    Raises StartupError where it cannot listen.
    """
    bounds = limits or ServerLimits()
    where = parse_listen(listen)
    await _check_free(where)
    server = grpc.aio.server(
        interceptors=[Guard(ServerMetrics(rt.name, rt.registry), rt.clock, bounds.floor_seconds)],
        options=server_options(bounds),
        maximum_concurrent_rpcs=bounds.concurrent_calls,
    )
    health = Health(rt)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    register(server)
    target = _bind(server, where)
    await server.start()
    try:
        with health.watching():
            yield target
    finally:
        await _stop(rt, server)


@asynccontextmanager
async def serve_health(rt: Runtime, listen: str) -> AsyncIterator[None]:
    """Answer grpc.health.v1 and nothing else until the block ends; nowhere where `listen` is empty.

    For a service that serves no gRPC of its own. Raises StartupError where it cannot listen.
    """
    if not listen:
        yield
        return
    async with serve(rt, listen, lambda _: None):
        yield


async def _stop(rt: Runtime, server: grpc.aio.Server) -> None:
    try:
        if rt.stopping.is_set():
            await server.stop(rt.drain_remaining() * DRAIN_SHARE)
    finally:
        await server.stop(None)


def _bind(server: grpc.aio.Server, where: HostPort | UnixPath) -> str:
    try:
        port = server.add_insecure_port(str(where))
    except RuntimeError as error:
        raise StartupError(f"cannot listen on {where}") from error
    if isinstance(where, HostPort):
        return str(HostPort(where.host, port))
    # There is no other login to these services: whoever may connect may release and delete mail.
    Path(where.path).chmod(SOCKET_MODE)
    return str(where)


async def _check_free(where: HostPort | UnixPath) -> None:
    """Raise StartupError where the address is taken: gRPC says so in C++ lines, or takes the socket over."""
    if isinstance(where, UnixPath):
        _check_path(Path(where.path), where)
        return
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            where.host or None, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise StartupError(f"cannot listen on {where}: {error.strerror}") from error


def _check_path(path: Path, where: UnixPath) -> None:
    if not path.parent.is_dir():
        raise StartupError(f"cannot listen on {where}: there is no directory {path.parent}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(where.path)
        except (FileNotFoundError, ConnectionRefusedError):
            return  # nobody there, at most what a dead process left
        except BlockingIOError:
            pass  # somebody is, with a full backlog
        except OSError as error:
            raise StartupError(f"cannot listen on {where}: {error.strerror}") from error
    raise StartupError(f"cannot listen on {where}: Address already in use")
