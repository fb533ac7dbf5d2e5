"""Calling another service: one way to open a channel, one way to call.

Retries are the channel's: only UNAVAILABLE, only the methods named idempotent, at most three attempts within
the call's deadline, throttled when most calls fail. No code above this retries.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import grpc

from mailweir_runtime.rpc.failure import MAX_DETAIL, RpcFailed, RpcFailure, kind_of

Q = TypeVar("Q")
R = TypeVar("R")

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Largest message either side takes by default: a batch of mails, or the largest mail, with room."""
LEAST_SECONDS: Final = 0.001
"""A call with less time than this is not begun."""

KEEPALIVE_MS: Final = 30_000
KEEPALIVE_TIMEOUT_MS: Final = 10_000
RECONNECT_FIRST_MS: Final = 100
RECONNECT_MOST_MS: Final = 5_000
RESOLVE_LEAST_MS: Final = 5_000  # the default of 30 s hides a new pod for that long

RETRY_ATTEMPTS: Final = 3
RETRY_TOKENS: Final = 20
RETRY_TOKEN_RATIO: Final = 0.1


def service_config(idempotent: Iterable[str] = ()) -> str:
    """Return gRPC's service config: round robin, and retries for the methods `/package.Service/Method`."""
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if names := [_method_name(method) for method in idempotent]:
        config["methodConfig"] = [
            {
                "name": names,
                "retryPolicy": {
                    "maxAttempts": RETRY_ATTEMPTS,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
        config["retryThrottling"] = {"maxTokens": RETRY_TOKENS, "tokenRatio": RETRY_TOKEN_RATIO}
    return json.dumps(config)


def _method_name(method: str) -> dict[str, str]:
    slash, _, rest = method.partition("/")
    service, _, name = rest.partition("/")
    if slash or not service or not name:
        raise ValueError(f"{method!r}: write /package.Service/Method")
    return {"service": service, "method": name}


def open_channel(
    target: str, *, max_message_bytes: int = MAX_MESSAGE_BYTES, idempotent: Iterable[str] = ()
) -> grpc.aio.Channel:
    """Return a channel to `unix:/path`, `dns:///name:port` or `host:port`; close it, or use `async with`.

    `idempotent` names the methods (`/package.Service/Method`) that the channel may try again.
    """
    options = [
        ("grpc.service_config", service_config(idempotent)),
        ("grpc.service_config_disable_resolution", 1),  # ours holds, whatever DNS says
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Its default of 256 KiB would leave a call with a large mail without its retry; nothing is copied.
        ("grpc.per_rpc_retry_buffer_size", max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MOST_MS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLVE_LEAST_MS),
        # A unix socket is not reached through the proxy that the environment names.
        ("grpc.enable_http_proxy", 0),
        # Two channels share no connection: closing one leaves the other alone.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.insecure_channel(target, options)  # noqa: TID251 - this is the one place


async def call(
    method: "grpc.aio.UnaryUnaryMultiCallable[Q, R]", request: Q, *, timeout: float
) -> R:
    """Call a method and return its answer within `timeout` seconds; raises RpcFailed, nothing else."""
    _check_time(timeout)
    with _failures():
        return await method(request, timeout=timeout)


async def stream(
    method: "grpc.aio.UnaryStreamMultiCallable[Q, R]", request: Q, *, timeout: float
) -> AsyncGenerator[R, None]:
    """Yield the answers of a streaming method, all within `timeout` seconds; raises RpcFailed.

    A reader that may stop early wraps it in `contextlib.aclosing`, which ends the call at once.
    """
    _check_time(timeout)
    running: grpc.aio.UnaryStreamCall[Q, R] | None = None
    try:
        with _failures():
            running = method(request, timeout=timeout)
            async for answer in running:
                yield answer
    finally:
        if running is not None:
            running.cancel()  # nothing where it has ended


def _check_time(timeout: float) -> None:
    if timeout < LEAST_SECONDS:
        raise RpcFailed(RpcFailure.DEADLINE, "no time left to call")


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what gRPC raises into RpcFailed."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise RpcFailed(kind_of(error.code()), (error.details() or "")[:MAX_DETAIL]) from None
    except (grpc.aio.UsageError, grpc.aio.InternalError) as error:  # the channel was closed before
        raise RpcFailed(RpcFailure.UNAVAILABLE, str(error)[:MAX_DETAIL]) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled the caller: the channel was closed under the call.
        raise RpcFailed(RpcFailure.UNAVAILABLE, "the channel was closed") from None
